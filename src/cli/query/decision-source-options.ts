// The options that choose what is asked: a policy file or a PDP over HTTP.

/** The options, for `parseOptions`. */
export const SOURCE_OPTIONS = {
  policy: { type: 'string' },
  given: { type: 'string' },
  pdp: { type: 'string' },
  token: { type: 'string' },
  timeout: { type: 'string', default: '5000' }
} as const

/** Help on these options; one of them is required. */
export const SOURCE_HELP = `Ask one of these:
  --policy <file>  a policy file, permit.yaml or .json, evaluated in this process
  --pdp <url>      a PDP over HTTP; default: PERMIT_PDP_URL, when --policy is not given`

/** Help on the option for a policy file. */
export const GIVEN_HELP = `With --policy:
  --given <file>   adds the users, tenants, roles and relationships under "given" in a test file`

/** Help on the options for a PDP. */
export const PDP_HELP = `With --pdp:
  --token <token>  the PDP's API key; prefer PERMIT_API_KEY, because every process on this machine can read arguments
  --timeout <ms>   how long to wait for an answer, in ms; default 5000`

/** The values of the options. */
export interface SourceValues {
  readonly policy?: string
  readonly given?: string
  readonly pdp?: string
  readonly token?: string
  readonly timeout: string
}
