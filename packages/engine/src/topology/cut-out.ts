import { compareText } from '../modules/compare-text.ts'
import { ModuleError } from '../modules/module-error.ts'
import { statementKind } from '../parse/statement-kind.ts'
import { tableUse } from './column-use.ts'
import { follow, isFollower } from './followers.ts'
import type { LeftOutObject } from './topology.ts'
import type { Piece, Whole } from './whole.ts'

/** What of the whole stands in one service's database. */
export interface CutOut {
  readonly service: string
  /** In the order of the whole; grants hold only what is there. */
  readonly pieces: Piece[]
  readonly leftOut: LeftOutObject[]
  /** `schema.table` of other services that the pieces read, sorted. */
  readonly reads: string[]
  /** Foreign schemas that something stands in, sorted. */
  readonly foreignSchemas: string[]
  /** `schema.function` of other services, sorted. */
  readonly copied: string[]
  /** `schema.function` of its own modules, sorted. */
  readonly rewritten: string[]
}

interface Problem {
  readonly reason: string
  /** Service that has what is missing; null where that is left out itself. */
  readonly owner: string | null
  /** What is missing, in the words of `Piece.makes`. */
  readonly missing: string
}

/**
 * Cuts a service out of the whole: its own statements and the kernel's, without those that need what another service
 * owns, and without those that need these. A read of columns that their owner publishes is no such need, nor is a call
 * of a function that only reads such columns: it comes along.
 */
export function cutOut(whole: Whole, service: string): CutOut {
  const isHere = (schema: string) => [service, whole.options.kernel].includes(whole.services.get(schema) ?? service)
  const candidates = whole.pieces.filter((piece) => !isFollower(piece) && (isHome(piece) || isReader(piece, whole)))
  const missing = new Set(whole.pieces.filter((piece) => !isHome(piece) && piece.makes).map(({ makes }) => makes))
  for (const { makes } of candidates) missing.delete(makes)

  const dropped = new Map<Piece, Problem[]>()
  for (let before = -1; before !== dropped.size;) {
    before = dropped.size
    for (const piece of candidates) {
      if (dropped.has(piece)) continue
      const problems = problemsOf(piece, whole, isHere, missing)
      if (problems.length === 0) continue
      dropped.set(piece, problems)
      missing.add(piece.makes)
    }
  }
  const kept = candidates.filter((piece) => !dropped.has(piece))
  const copied = neededReaders(kept, isHome)
  const standing = kept.filter((piece) => isHome(piece) || copied.has(piece.makes))
  return result()

  function isHome(piece: Piece): boolean {
    return piece.home === service || piece.home === whole.options.kernel
  }

  function result(): CutOut {
    const own = candidates.filter(isHome).flatMap((piece) => {
      const problems = dropped.get(piece)
      return problems ? [[piece, problems] as const] : []
    })
    refuseBrokenTables(own, service)
    const place = { whole, service, isHere, isHome, made: new Set(standing.map(({ makes }) => makes)) }
    const keptSet = new Set(standing)
    const pieces = whole.pieces.flatMap((piece) => {
      if (keptSet.has(piece)) return [piece]
      return isFollower(piece) ? follow(piece, place) : []
    })
    const reads = [...new Set(standing.flatMap((piece) => foreignTables(piece, whole, isHere)))].toSorted(compareText)
    const names = [...copied].map((makes) => makes.slice('function '.length)).toSorted(compareText)
    const foreign = new Set([...reads, ...names].map((name) => name.split('.')[0] ?? ''))
    return {
      service,
      pieces,
      leftOut: own.filter(([piece]) => isListed(piece)).map(([piece, problems]) => leftOut(piece, problems, own)),
      reads,
      foreignSchemas: [...foreign].toSorted(compareText),
      copied: names,
      rewritten: standing
        .filter((piece) => piece.rewritten)
        .map(({ makes }) => makes.slice('function '.length))
        .toSorted(compareText),
    }
  }
}

/** A function that changes nothing may stand in the database of a service that calls it. */
function isReader({ makes }: Piece, { catalog }: Whole): boolean {
  if (!makes.startsWith('function ')) return false
  const name = makes.slice('function '.length)
  return [...catalog.functions.values()].some(
    (routine) => `${routine.schema}.${routine.name}` === name && routine.volatility !== 'volatile',
  )
}

function problemsOf(
  piece: Piece,
  whole: Whole,
  isHere: (schema: string) => boolean,
  missing: ReadonlySet<string>,
): Problem[] {
  const problems = new Map<string, Problem>()

  for (const { kind, schema, name } of piece.references) {
    const object = `${schema}.${name}`
    if (`${kind} ${object}` === piece.makes || !whole.services.has(schema)) continue
    const owner = isHere(schema) ? null : (whole.services.get(schema) ?? null)
    const add = (reason: string, object: string) => problems.set(reason, { reason, owner, missing: object })
    if (kind === 'function' && missing.has(`function ${object}`)) add(`calls ${object}`, `function ${object}`)
    else if (kind === 'table' && missing.has(`view ${object}`)) add(`reads ${object}`, `view ${object}`)
    else if (owner !== null && kind === 'table')
      unpublishedUse(piece, object, whole).forEach((reason) => add(reason, `table ${object}`))
    else if (owner !== null && kind === 'type') add(`takes the type ${object}`, `type ${object}`)
    else if (owner !== null && kind === 'schema') add(`names the schema ${schema}`, `schema ${schema}`)
  }
  return [...problems.values()]
}

function unpublishedUse(piece: Piece, table: string, { catalog, published, options }: Whole): string[] {
  const columns = catalog.tables.get(table)?.columns
  const allowed = published.get(table)
  if (!columns || !allowed) return [`reads ${table}`]
  const use = tableUse(piece.statement, table, new Set(columns.keys()))
  if (use.writes) return [`writes ${table}`]
  if (use.wholeRows || !('CreateFunctionStmt' in piece.statement.node || 'ViewStmt' in piece.statement.node))
    return [`takes whole rows of ${table}`]
  const known = [options.tenantColumn, 'id', options.softDeleteColumn, ...allowed]
  return [...use.columns]
    .filter((column) => columns.has(column) && !known.includes(column))
    .map((column) => `reads ${table}.${column}`)
}

function foreignTables(piece: Piece, whole: Whole, isHere: (schema: string) => boolean): string[] {
  return piece.references
    .filter(({ kind, schema }) => kind === 'table' && whole.services.has(schema) && !isHere(schema))
    .map(({ schema, name }) => `${schema}.${name}`)
}

/** The functions of other services that are called, and those that these call. */
function neededReaders(kept: readonly Piece[], isHome: (piece: Piece) => boolean): Set<string> {
  const foreign = new Map(kept.filter((piece) => !isHome(piece)).map((piece) => [piece.makes, piece]))
  const needed = new Set<string>()
  const follow = (piece: Piece): void => {
    for (const { kind, schema, name } of piece.references) {
      const called = kind === 'function' ? foreign.get(`function ${schema}.${name}`) : undefined
      if (!called || needed.has(called.makes)) continue
      needed.add(called.makes)
      follow(called)
    }
  }
  kept.filter(isHome).forEach(follow)
  return needed
}

type Dropped = readonly [Piece, readonly Problem[]]

function refuseBrokenTables(own: readonly Dropped[], service: string): void {
  const broken = own.filter(([{ makes }]) => makes.startsWith('table ') || makes.startsWith('type '))
  if (broken.length === 0) return
  throw new ModuleError(
    broken.map(([{ file, statement, makes }, problems]) => {
      const reasons = problems.map(({ reason }) => reason).join(', ')
      return `${file}:${statement.line}: ${makes} cannot stand in a database of ${service} alone: ${reasons}`
    }),
  )
}

/** Whoever looks for it misses functions, triggers, views; not the index of a left-out key. */
function isListed({ statement: { node } }: Piece): boolean {
  return ['CreateFunctionStmt', 'CreateTrigStmt', 'ViewStmt', 'CreateTableAsStmt', 'DoStmt', 'SelectStmt'].some(
    (kind) => kind in node,
  )
}

function leftOut(
  { makes, file, statement }: Piece,
  problems: readonly Problem[],
  own: readonly Dropped[],
): LeftOutObject {
  const [kind = '', name] = makes.split(' ')
  const isNamed = kind === 'function' || kind === 'trigger' || kind === 'view'
  return {
    kind: isNamed ? kind : 'statement',
    object: isNamed ? (name ?? '') : statementKind(statement),
    file,
    line: statement.line,
    reasons: problems.map(({ reason }) => reason).toSorted(compareText),
    instead: [...ownersBehind(problems, own)].toSorted(compareText),
  }
}

/** The services that have what is missing, also for what is missing only because of them. */
function ownersBehind(problems: readonly Problem[], own: readonly Dropped[]): Set<string> {
  const owners = new Set<string>()
  const seen = new Set<string>()
  const visit = ({ owner, missing }: Problem): void => {
    if (owner !== null) owners.add(owner)
    if (seen.has(missing)) return
    seen.add(missing)
    own.find(([{ makes }]) => makes === missing)?.[1].forEach(visit)
  }
  problems.forEach(visit)
  return owners
}
