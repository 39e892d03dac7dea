// The flags that say who is asked: a policy file, or a PDP over HTTP.

/** The options that say who is asked, for `parseOptions`. */
export const AUTHORITY_OPTIONS = {
  policy: { type: 'string' },
  given: { type: 'string' },
  pdp: { type: 'string' },
  token: { type: 'string' },
  timeout: { type: 'string', default: '5000' }
} as const

/** Lines of a help text: the options of those who are asked. */
export const WHOM_HELP = `Whom to ask, one of these:
  --policy <file>  a policy file, permit.yaml or .json, decided here and now
  --pdp <url>      a PDP over HTTP; without --policy and --pdp the one in PERMIT_PDP_URL`

export const GIVEN_HELP = `With --policy:
  --given <file>   adds the users, tenants, roles and relationships that a test file has under "given"`

export const PDP_HELP = `With --pdp:
  --token <token>  the PDP's API key; better in PERMIT_API_KEY, because every process of this machine can read arguments
  --timeout <ms>   how long to wait for an answer, 5000 unless told otherwise`

/** Their values. */
export interface AuthorityValues {
  readonly policy?: string
  readonly given?: string
  readonly pdp?: string
  readonly token?: string
  readonly timeout: string
}
