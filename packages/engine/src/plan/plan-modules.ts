import { allRequired } from '../modules/dependency-order.ts'
import { ModuleError } from '../modules/module-error.ts'
import type { Module, ModuleFile } from '../modules/module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import type { SqlSyntaxError } from '../parse/syntax-error.ts'
import { attachComments } from './attach-comments.ts'
import { addedForeignKeys, commentedConstraint, hasHiddenForeignKey } from './foreign-keys.ts'
import { PARTS, type LeftOutForeignKey, type Part, type Plan, type PlannedStatement, type PlanSection } from './plan.ts'
import { selectModules } from './select-modules.ts'

export interface PlanOptions {
  /** Names of modules; what they require is added. Default: all. */
  readonly select?: readonly string[]
}

/**
 * Orders the statements of modules so that they run from top to bottom on an empty database: foundations (bands 0NN) of
 * all modules, then all tables, all foreign keys, functions, views, grants; inside a part modules stand in dependency
 * order. The order in which modules are given does not matter.
 *
 * @throws UsageError for an unknown module, SqlSyntaxError for a file that does not parse, ModuleError for a foreign key
 * inside CREATE TABLE or into a table that its module does not have, and for a table in a file numbered 200 or more.
 */
export async function planModules(modules: readonly Module[], options: PlanOptions = {}): Promise<Plan> {
  const selection = selectModules(modules, options.select)
  const files = await parseFiles(selection.modules)
  refuseHiddenForeignKeys(files)
  refuseLateTables(files)

  const schemas = new Set(selection.modules.map((module) => module.schema))
  refuseDanglingForeignKeys(files, schemas)

  const leftOut: LeftOutForeignKey[] = []
  const sections: PlanSection[] = []
  for (const file of files) {
    const keys = separateForeignKeys(file, schemas)
    leftOut.push(...keys.leftOut)
    sections.push(section(file, partOf(file.source), keys.others), section(file, 'foreign keys', keys.moved))
  }
  return {
    modules: plannedModules(selection.modules),
    added: selection.added,
    sections: ordered(sections),
    leftOut,
  }
}

function plannedModules(modules: readonly Module[]): Plan['modules'] {
  const required = allRequired(modules)
  return modules.map(({ name, schema, service, purpose }) => {
    return { name, schema, service, purpose, requires: required.get(name) ?? [] }
  })
}

interface PlannedFile {
  readonly module: Module
  readonly source: ModuleFile
  readonly statements: PlannedStatement[]
}

async function parseFiles(modules: readonly Module[]): Promise<PlannedFile[]> {
  const files: PlannedFile[] = []
  const errors: SqlSyntaxError[] = []
  for (const module of modules) {
    for (const source of module.files) {
      const parsed = await parseSql(source.text, source.path)
      errors.push(...parsed.errors)
      files.push({ module, source, statements: attachComments(parsed) })
    }
  }
  if (errors.length === 1 && errors[0]) throw errors[0]
  if (errors.length > 1) throw new ModuleError(errors.map((error) => error.message))
  return files
}

function partOf({ band }: ModuleFile): Part {
  if (band < 100) return 'foundation'
  if (band < 200) return 'tables'
  if (band < 300) return 'functions'
  return band < 400 ? 'views' : 'grants'
}

function section({ module, source }: PlannedFile, part: Part, statements: PlannedStatement[]): PlanSection {
  return { part, title: `${part} of ${module.name}`, module: module.name, file: source.path, statements }
}

interface SeparatedKeys {
  readonly others: PlannedStatement[]
  /** Foreign keys between planned modules, and comments on them. */
  readonly moved: PlannedStatement[]
  readonly leftOut: LeftOutForeignKey[]
}

function separateForeignKeys({ module, source, statements }: PlannedFile, schemas: Set<string>): SeparatedKeys {
  const others: PlannedStatement[] = []
  const moved: PlannedStatement[] = []
  const leftOut: LeftOutForeignKey[] = []
  const movedNames = new Set<string>()
  const leftOutNames = new Set<string>()
  for (const statement of statements) {
    const keys = addedForeignKeys(statement.node)
    const commented = commentedConstraint(statement.node) ?? ''
    if (!keys) {
      if (movedNames.has(commented)) moved.push(statement)
      else if (!leftOutNames.has(commented)) others.push(statement)
      continue
    }
    const missing = keys.filter((key) => !schemas.has(key.referencedSchema))
    if (missing.length === 0) moved.push(statement)
    for (const key of keys) {
      const { table, constraint, references } = key
      ;(missing.length === 0 ? movedNames : leftOutNames).add(`${table}.${constraint}`)
      if (missing.length === 0) continue
      leftOut.push({ module: module.name, table, constraint, references, file: source.path, line: statement.line })
    }
  }
  return { others, moved, leftOut }
}

/** Sections by part; inside a part they keep the order of modules and files. Empty ones are dropped. */
function ordered(sections: PlanSection[]): PlanSection[] {
  const filled = sections.filter((own) => own.statements.length > 0)
  return PARTS.flatMap((part) => filled.filter((own) => own.part === part))
}

function refuseHiddenForeignKeys(files: PlannedFile[]): void {
  const problems = files.flatMap(({ source, statements }) =>
    statements
      .filter(hasHiddenForeignKey)
      .map(
        ({ line }) =>
          `${source.path}:${line}: a foreign key must be a statement of its own, so that tables can be made in any order`,
      ),
  )
  if (problems.length > 0) {
    throw new ModuleError(
      problems,
      'write: alter table a.b add constraint b_c_fkey foreign key (..) references c.d (..);',
    )
  }
}

/** A table behind the foreign keys would come too late for its own. Materialized views and DO blocks are no tables. */
function refuseLateTables(files: PlannedFile[]): void {
  const problems = files
    .filter(({ source }) => source.band >= 200)
    .flatMap(({ source, statements }) =>
      statements
        .filter(({ kind }) => kind === 'CreateStmt')
        .map(({ line }) => `${source.path}:${line}: creates a table; files of tables are numbered 100 to 199`),
    )
  if (problems.length > 0) throw new ModuleError(problems)
}

function refuseDanglingForeignKeys(files: PlannedFile[], schemas: Set<string>): void {
  const tables = new Set<string>()
  for (const { statements } of files) {
    for (const { node } of statements) {
      if ('CreateStmt' in node)
        tables.add(`${node.CreateStmt.relation?.schemaname}.${node.CreateStmt.relation?.relname}`)
    }
  }
  const problems = files.flatMap(({ source, statements }) =>
    statements.flatMap(({ node, line }) =>
      (addedForeignKeys(node) ?? [])
        .filter((key) => schemas.has(key.referencedSchema) && !tables.has(key.references))
        .map((key) => `${source.path}:${line}: ${key.constraint} points to ${key.references}, which no file creates`),
    ),
  )
  if (problems.length > 0) throw new ModuleError(problems)
}
