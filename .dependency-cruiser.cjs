// Which room may import which: imports point down, types included, and no circle exists. See docs/architecture.md.

// From the top to the bottom. A room may import the rooms of the lines below its own, and nothing above.
const ROOMS = [
  ['cli'],
  ['moving'],
  ['browser', 'trpc', 'graphql', 'mcp'],
  ['fastify', 'express', 'nest'],
  ['server'],
  ['inspector'],
  ['app'],
  ['guard'],
  ['decision'],
  ['observe'],
  ['pdp'],
  ['environment'],
  ['lists', 'oauth'],
  ['bus'],
  ['contract'],
  ['engine'],
  ['kit']
]

const pathOf = rooms => `^src/(${rooms.join('|')})/`

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'Two files that import each other, directly or by others, can only be read together. Move what they share below both.',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true }
    },
    ...ROOMS.flatMap((rooms, line) => line === 0
      ? []
      : [{
          name: `${rooms.join('-')}-imports-down`,
          comment: `src/${rooms[0]} imports from a room above it. Move what it needs into a room below, or pass it in.`,
          severity: 'error',
          from: { path: pathOf(rooms) },
          to: { path: pathOf(ROOMS.slice(0, line).flat()) }
        }]),
    {
      name: 'frameworks-apart',
      comment: 'One framework must not load another. Move what they share into src/app or src/guard.',
      severity: 'error',
      from: { path: '^src/(fastify|express|nest)/' },
      to: { path: '^src/(fastify|express|nest)/', pathNot: '^src/$1/' }
    },
    {
      name: 'targets-are-light',
      comment: 'What makes conditions of plans is loaded by apps for nothing else: it imports the contract, src/kit and the library that it is for.',
      severity: 'error',
      from: { path: '^src/lists/' },
      to: { path: '^src/', pathNot: '^src/(lists|contract|kit|engine/plan)/' }
    },
    {
      name: 'engine-is-pure',
      comment: 'The engine has no I/O, no clock and no framework: it imports src/kit and nothing else.',
      severity: 'error',
      from: { path: '^src/engine/' },
      to: { pathNot: '^src/(engine|kit)/|^node_modules/typebox/' }
    }
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'], extensions: ['.ts', '.js', '.d.ts'] }
  }
}
