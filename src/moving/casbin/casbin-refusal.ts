// What a policy file cannot say as casbin does.

/** A part of casbin's files that cannot be imported. */
export interface CasbinRefusal {
  readonly file: string
  readonly line: number
  /** What it is: `keyMatch`, `deny`, a name. */
  readonly name: string
  readonly reason: string
}
