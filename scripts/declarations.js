// The declarations of the package: of everything that the compiler writes, what the public types need. The rest describes the inside.
// Users cannot create a class that is exported as a type only, so its constructor is protected, and what it takes is not described.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

/**
 * Writes the declarations that can be reached from entries.
 * @param {string} from - the folder that the compiler wrote to
 * @param {string} to - the folder to write to
 * @param {readonly string[]} entries - names of files without their ends
 */
export function writeDeclarations (from, to, entries) {
  const modules = new Map()
  const moduleOf = file => {
    if (!modules.has(file)) modules.set(file, new Module(file))
    return modules.get(file)
  }
  const reach = (file, name, asValue) => moduleOf(file).reach(name, asValue, reach)
  for (const entry of entries) moduleOf(join(from, `${entry}.d.ts`)).reachExports(true, reach)
  for (const [file, module] of modules) {
    const target = join(to, relative(from, file))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, module.text())
  }
}

/** A file of declarations, and which of them are needed. */
class Module {
  #source
  #folder
  /** The statements that declare a name. */
  #declared = new Map()
  /** Names that are imported: from where, and as what. */
  #imported = new Map()
  #needed = new Set()
  #names = new Set()
  /** Names that are needed as values, and classes that users may create. */
  #values = new Set()
  #created = new Set()

  constructor (file) {
    this.#source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true)
    this.#folder = dirname(file)
    for (const statement of this.#source.statements) {
      for (const name of namesOf(statement)) this.#declared.set(name, [...this.#declared.get(name) ?? [], statement])
      if (ts.isImportDeclaration(statement)) this.#readImport(statement)
    }
  }

  #readImport (statement) {
    const from = this.#fileOf(statement)
    const { name, namedBindings } = statement.importClause ?? {}
    if (name !== undefined) this.#imported.set(name.text, { from, name: 'default' })
    if (namedBindings === undefined) return
    if (ts.isNamespaceImport(namedBindings)) {
      this.#imported.set(namedBindings.name.text, { from, name: '*' })
      return
    }
    for (const { name, propertyName = name } of namedBindings.elements) this.#imported.set(name.text, { from, name: propertyName.text })
  }

  /** The file of an import or export of this package; undefined for another package. */
  #fileOf ({ moduleSpecifier }) {
    const specifier = moduleSpecifier?.text
    return specifier?.startsWith('.') ? join(this.#folder, specifier.replace(/\.js$/, '.d.ts')) : undefined
  }

  /** Every export is needed. */
  reachExports (asValue, reach) {
    for (const statement of this.#source.statements) {
      if (ts.isExportDeclaration(statement) || ts.isExportAssignment(statement)) this.#need(statement, asValue, reach)
      else if (isExported(statement)) for (const name of namesOf(statement)) this.reach(name, asValue, reach)
    }
  }

  /** A name is needed, and with it everything that it names. */
  reach (name, asValue, reach) {
    const known = asValue ? this.#values : this.#names
    if (known.has(name)) return
    known.add(name)
    this.#names.add(name)
    if (name === '*') this.reachExports(asValue, reach)
    for (const statement of this.#declared.get(name) ?? []) this.#need(statement, asValue, reach)
    const imported = this.#imported.get(name)
    if (imported?.from !== undefined) reach(imported.from, imported.name, asValue)
    for (const statement of this.#source.statements) {
      if (ts.isModuleDeclaration(statement)) this.#need(statement, false, reach)
      if (ts.isExportAssignment(statement) && name === 'default') this.#need(statement, asValue, reach)
      if (!ts.isExportDeclaration(statement)) continue
      const { exportClause } = statement
      const exports = exportClause === undefined || exportClause.elements?.some(element => element.name.text === name)
      if (exports) this.#need(statement, asValue, reach)
    }
  }

  #need (statement, asValue, reach) {
    this.#needed.add(statement)
    if (ts.isExportDeclaration(statement)) {
      this.#needExport(statement, asValue && !statement.isTypeOnly, reach)
      return
    }
    const isCreated = asValue && ts.isClassDeclaration(statement)
    if (isCreated) this.#created.add(statement)
    const visit = node => {
      if (ts.isConstructorDeclaration(node) && !isCreated) return
      if (ts.isIdentifier(node)) this.reach(node.text, isCreated && isBaseClass(node), reach)
      if (ts.isImportTypeNode(node)) this.#reachImportType(node, reach)
      ts.forEachChild(node, visit)
    }
    visit(statement)
  }

  #needExport (statement, asValue, reach) {
    const from = this.#fileOf(statement)
    const { exportClause } = statement
    if (exportClause === undefined) {
      reach(from, '*', asValue)
      return
    }
    for (const { name, propertyName = name, isTypeOnly } of exportClause.elements) {
      if (from === undefined) this.reach(propertyName.text, asValue && !isTypeOnly, reach)
      else reach(from, propertyName.text, asValue && !isTypeOnly)
    }
  }

  #reachImportType ({ argument, qualifier }, reach) {
    const specifier = argument.literal.text
    if (!specifier.startsWith('.')) return
    reach(join(this.#folder, specifier.replace(/\.js$/, '.d.ts')), qualifier?.getText().split('.')[0] ?? '*', false)
  }

  text () {
    let text = ''
    for (const statement of this.#source.statements) {
      if (ts.isImportDeclaration(statement)) text += this.#importText(statement)
      else if (this.#needed.has(statement)) text += this.#textOf(statement)
    }
    return `${text.trim() === '' ? 'export {};' : text.trim()}\n`
  }

  #textOf (statement) {
    const text = statement.getFullText()
    if (!ts.isClassDeclaration(statement) || this.#created.has(statement)) return text
    const constructor = statement.members.find(ts.isConstructorDeclaration)
    if (constructor === undefined) return text
    const start = statement.getFullStart()
    return `${text.slice(0, constructor.getFullStart() - start)}\n    protected constructor();${text.slice(constructor.end - start)}`
  }

  /** An import of the names that are needed. */
  #importText (statement) {
    const { importClause: clause, moduleSpecifier } = statement
    if (clause === undefined) return statement.getFullText()
    const { name, namedBindings: bindings } = clause
    const used = id => this.#names.has(id.text)
    const parts = []
    if (name !== undefined && used(name)) parts.push(name.text)
    if (bindings !== undefined && ts.isNamespaceImport(bindings) && used(bindings.name)) parts.push(bindings.getText())
    if (bindings !== undefined && ts.isNamedImports(bindings)) {
      const names = bindings.elements.filter(element => used(element.name)).map(element => element.getText())
      if (names.length > 0) parts.push(`{ ${names.join(', ')} }`)
    }
    if (parts.length === 0) return ''
    return `\nimport ${clause.isTypeOnly ? 'type ' : ''}${parts.join(', ')} from ${moduleSpecifier.getText()};`
  }
}

/** The names that a statement declares. */
function namesOf (statement) {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.text)
  return statement.name !== undefined && ts.isIdentifier(statement.name) ? [statement.name.text] : []
}

function isExported (statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
}

/** Whether a name is that of the class that another one extends. */
function isBaseClass (node) {
  const { parent: clause } = node.parent
  return ts.isExpressionWithTypeArguments(node.parent) && ts.isHeritageClause(clause) && clause.token === ts.SyntaxKind.ExtendsKeyword
}
