import neostandard from 'neostandard'

export default [
  ...neostandard({
    ts: true,
    ignores: ['**/dist/**', 'coverage/**', '.tap/**', '.test/**', 'node_modules/**']
  }),
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@stylistic/comma-dangle': ['error', 'never']
    }
  },
  {
    files: ['src/**/*.ts', 'example-app/**/*.ts', 'scripts/**/*.js'],
    rules: { '@stylistic/max-len': ['error', { code: 140 }] }
  },
  {
    // V8 misreads names with escape sequences: src/kit/read-json.ts.
    files: ['src/**/*.ts'],
    ignores: ['src/kit/read-json.ts', 'src/environment/file/policy-schema.ts', 'src/cli/testing/expectations-json-schema.ts', 'src/cli/**/*.ts', 'src/inspector/page/**'],
    rules: { 'no-restricted-properties': ['error', { object: 'JSON', property: 'parse', message: 'Use readJson.' }] }
  },
  {
    // Text for the terminal goes through src/cli/terminal/terminal.ts, which makes it printable.
    files: ['src/cli/**/*.ts'],
    ignores: ['src/cli/terminal/terminal.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-properties': ['error', ...['stdout', 'stderr', '_rawDebug', 'emitWarning'].map(property => ({ object: 'process', property, message: 'Write with terminal.out or terminal.err.' }))],
      'no-restricted-imports': ['error', ...['console', 'process', 'tty'].flatMap(name => [name, `node:${name}`])]
    }
  }
]
