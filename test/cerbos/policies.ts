// What the tests' Cerbos decides by: roles, attributes, tenants, circumstances.
export const POLICIES = [`
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: task
  version: default
  rules:
    - { actions: [read], effect: EFFECT_ALLOW, roles: [viewer, editor] }
    - { actions: [write], effect: EFFECT_ALLOW, roles: [editor] }
    - actions: [list]
      effect: EFFECT_ALLOW
      roles: ['*']
      condition: { match: { expr: 'R.attr.tenant in P.attr.tenants' } }
    - actions: [approve]
      effect: EFFECT_ALLOW
      roles: ['*']
      condition: { match: { expr: 'P.attr.level >= R.attr.level' } }
    - actions: [visit]
      effect: EFFECT_ALLOW
      roles: ['*']
      condition: { match: { expr: 'R.attr.context.ip == "10.0.0.1"' } }
    - actions: [transfer]
      effect: EFFECT_ALLOW
      roles: ['*']
      condition: { match: { expr: 'has(P.attr.mfa) && P.attr.mfa == true' } }
      output: { when: { conditionNotMet: '{"step_up": "a second factor"}' } }
    - { actions: [greet], effect: EFFECT_ALLOW, roles: [user] }
`]
