import { bundleModules } from '../bundle/bundle-modules.ts'
import { foldParsed } from '../catalog/files.ts'
import type { Catalog } from '../catalog/model.ts'
import { ModuleError } from '../modules/module-error.ts'
import type { Module } from '../modules/module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { statementReferences, type Reference } from '../parse/references.ts'
import { attachComments } from '../plan/attach-comments.ts'
import { planModules } from '../plan/plan-modules.ts'
import type { Part, Plan, PlannedStatement } from '../plan/plan.ts'
import { subjectOf } from './subject.ts'
import type { TopologyOptions } from './topology.ts'

/** All modules on one database: what the databases of the services are cut from. */
export interface Whole {
  readonly modules: readonly Module[]
  readonly plan: Plan
  readonly catalog: Catalog
  readonly pieces: Piece[]
  /** Schema -> service that owns it. */
  readonly services: ReadonlyMap<string, string>
  /** `schema.table` -> columns that its owner publishes. */
  readonly published: ReadonlyMap<string, readonly string[]>
  readonly options: TopologyOptions
}

/** One statement and where it belongs. */
export interface Piece {
  readonly part: Part
  readonly module: string
  readonly file: string
  readonly statement: PlannedStatement
  /** Service in whose database the statement belongs. */
  readonly home: string
  readonly makes: string
  readonly references: Reference[]
  /** True for what takes the place of its namesake where services stand alone. */
  readonly rewritten: boolean
}

export async function readWhole(modules: readonly Module[], options: TopologyOptions): Promise<Whole> {
  const plan = await planModules(modules)
  const services = new Map(modules.map((module) => [module.schema, module.service]))
  const catalog = await foldParsed([await parseSql(bundleModules(plan), 'bundle.sql')])
  return {
    modules,
    plan,
    catalog,
    services,
    options,
    published: publishedColumns(modules, catalog),
    pieces: await withSeparateFiles(modules, plan, services),
  }
}

function publishedColumns(modules: readonly Module[], catalog: Catalog): Map<string, readonly string[]> {
  const published = new Map<string, readonly string[]>()
  const problems: string[] = []
  for (const { name, schema, separate } of modules) {
    for (const [table, columns] of Object.entries(separate?.publishes ?? {})) {
      const key = `${schema}.${table}`
      const known = catalog.tables.get(key)
      if (!known) problems.push(`${name}/module.json: publishes ${key}, which no file creates`)
      for (const column of columns) {
        if (known && !known.columns.has(column))
          problems.push(`${name}/module.json: publishes ${key}.${column}, a column that the table does not have`)
      }
      published.set(key, columns)
    }
  }
  if (problems.length > 0) throw new ModuleError(problems)
  return published
}

/** The statements in the order of the plan; a function from `separate/` takes the place of its namesake. */
async function withSeparateFiles(
  modules: readonly Module[],
  plan: Plan,
  services: ReadonlyMap<string, string>,
): Promise<Piece[]> {
  const own = await separatePieces(modules, services)
  const pieces: Piece[] = []
  for (const [n, { part, module, file, statements }] of plan.sections.entries()) {
    const service = serviceOf(modules, module)
    for (const statement of statements) {
      const piece = pieceOf({ part, module, file, statement, service }, services)
      const instead = piece.makes.startsWith('function ') ? own.find(({ makes }) => makes === piece.makes) : undefined
      if (instead) own.splice(own.indexOf(instead), 1)
      pieces.push(instead ? { ...instead, part, rewritten: true } : piece)
    }
    const next = plan.sections[n + 1]
    if (next?.part === part && next.module === module) continue
    for (const piece of own.filter((added) => added.part === part && added.module === module)) {
      own.splice(own.indexOf(piece), 1)
      pieces.push(piece)
    }
  }
  return [...pieces, ...own]
}

async function separatePieces(modules: readonly Module[], services: ReadonlyMap<string, string>): Promise<Piece[]> {
  const pieces: Piece[] = []
  for (const { name, service, separate } of modules) {
    for (const { path, text, band } of separate?.files ?? []) {
      const parsed = await parseSql(text, path)
      if (parsed.errors[0]) throw parsed.errors[0]
      const part =
        band < 100 ? 'foundation' : band < 200 ? 'tables' : band < 300 ? 'functions' : band < 400 ? 'views' : 'grants'
      for (const statement of attachComments(parsed)) {
        pieces.push(pieceOf({ part, module: name, file: path, statement, service }, services))
      }
    }
  }
  return pieces
}

interface Placed extends Pick<Piece, 'part' | 'module' | 'file' | 'statement'> {
  readonly service: string
}

function pieceOf({ service, ...placed }: Placed, services: ReadonlyMap<string, string>): Piece {
  const subject = subjectOf(placed.statement.node)
  return {
    ...placed,
    home: (subject && services.get(subject.schema)) ?? service,
    makes: subject?.makes ?? '',
    rewritten: false,
    references: [...statementReferences(placed.statement), ...namedByTrigger(placed.statement)],
  }
}

/** `execute function check('a.b')`: a table in an argument. */
function namedByTrigger({ node }: PlannedStatement): Reference[] {
  if (!('CreateTrigStmt' in node)) return []
  return (node.CreateTrigStmt.args ?? []).flatMap((argument) => {
    const [schema, name, ...more] = 'String' in argument ? (argument.String.sval ?? '').split('.') : []
    return schema && name && more.length === 0 ? [{ kind: 'table' as const, schema, name }] : []
  })
}

function serviceOf(modules: readonly Module[], name: string): string {
  return modules.find((module) => module.name === name)?.service ?? ''
}
