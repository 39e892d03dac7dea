// The users whose decisions a change of the policy or of facts can affect.

/** All users, or the users with these keys. */
export type AffectedUsers = { readonly all: true } | { readonly users: readonly string[] }
