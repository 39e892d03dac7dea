// The client of Prisma with its real query compiler, and drivers for the databases of the tests. Nothing is generated or downloaded: what `prisma generate`
// writes is a configuration of the runtime that the package ships, made here of the same parts.
import { createRequire } from 'node:module'
import type { TestDatabase } from './databases.js'

const require = createRequire(import.meta.url)

/** Of the browser's declarations, which the project does not have. */
const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => unknown } }

interface Field { readonly name: string, readonly type: string, readonly isList?: boolean }

interface Query { readonly sql: string, readonly args: readonly unknown[] }

/** Prisma's numbers of column types. */
const TEXT = 7

/** A client with one model, `Thing`. `schema` is its model in Prisma's language, `fields` the same as data. */
export function prismaFor (database: TestDatabase, provider: 'sqlite' | 'postgresql', model: string, fields: readonly Field[]): { thing: { findMany: (query: object) => Promise<Array<{ id: string }>> }, $disconnect: () => Promise<void> } {
  const runtime = require('@prisma/client/runtime/client.js') as { getPrismaClient: (config: object) => new (options: object) => ReturnType<typeof prismaFor> }
  const schema = `generator client {\n  provider = "prisma-client-js"\n  engineType = "client"\n}\n\ndatasource db {\n  provider = "${provider}"\n  url = "file:./none.db"\n}\n\n${model}\n`
  const Client = runtime.getPrismaClient({
    generator: { name: 'client', provider: { fromEnvVar: null, value: 'prisma-client-js' }, output: { value: '/nowhere', fromEnvVar: null }, config: { engineType: 'client' }, binaryTargets: [], previewFeatures: [], sourceFilePath: '/nowhere/schema.prisma' },
    relativeEnvPaths: { rootEnvPath: null },
    relativePath: '.',
    clientVersion: (require('@prisma/client/package.json') as { version: string }).version,
    engineVersion: 'none',
    datasourceNames: ['db'],
    activeProvider: provider,
    postinstall: false,
    inlineDatasources: { db: { url: { fromEnvVar: null, value: 'file:./none.db' } } },
    inlineSchema: schema,
    inlineSchemaHash: 'none',
    copyEngine: true,
    dirname: '/nowhere',
    runtimeDataModel: { models: { Thing: { dbName: 'things', fields: fields.map(field => ({ kind: 'scalar', isList: false, ...field })) } }, enums: {}, types: {} },
    engineWasm: undefined,
    compilerWasm: {
      getRuntime: async () => require(`@prisma/client/runtime/query_compiler_bg.${provider}.js`) as unknown,
      getQueryCompilerWasmModule: async () => {
        const { wasm } = require(`@prisma/client/runtime/query_compiler_bg.${provider}.wasm-base64.js`) as { wasm: string }
        return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
      }
    }
  })
  const queryRaw = async ({ sql, args }: Query): Promise<object> => {
    const rows = await database.all(sql, args)
    const names = Object.keys(rows[0] ?? { id: '' })
    return { columnNames: names, columnTypes: names.map(() => TEXT), rows: rows.map(row => names.map(name => row[name])) }
  }
  const unused = async (): Promise<never> => { throw new Error('nothing but queries is run') }
  const connection = { provider: provider === 'sqlite' ? 'sqlite' : 'postgres', adapterName: 'test', queryRaw, executeRaw: unused, executeScript: unused, startTransaction: unused, dispose: async () => {}, getConnectionInfo: () => ({ supportsRelationJoins: false }) }
  return new Client({ adapter: { provider: connection.provider, adapterName: 'test', connect: async () => connection }, errorFormat: 'minimal' })
}
