import type { Catalog, DefaultPrivilege } from './model.ts'
import { compareText } from '../modules/compare-text.ts'
import { sameExpression, sameNesting, sameText } from './same-text.ts'

/** One thing in which two catalogs differ. */
export interface Difference {
  /** With its kind: `table a.b`, `column a.b.c`, `index i on a.b`, `function a.f(text)`. */
  readonly object: string
  /** `missing`: only the left catalog has it; `extra`: only the right one. */
  readonly kind: 'missing' | 'extra' | 'changed'
  /** What changed: `type`, `grants`; null for a whole object. */
  readonly property: string | null
  readonly left: unknown
  readonly right: unknown
}

export interface CompareOptions {
  /** Differences for which it returns true are left out. */
  readonly ignore?: (difference: Difference) => boolean
}

/**
 * Everything in which two catalogs differ. Two live catalogs are compared to the letter. Where one side was folded from
 * files, expressions are compared by their meaning (parse trees without the casts and spellings that PostgreSQL adds),
 * and an owner that the files do not name is not compared.
 */
export function compareCatalogs(left: Catalog, right: Catalog, options: CompareOptions = {}): Difference[] {
  const differences: Difference[] = []
  for (const [maps, kind] of Object.entries(KINDS)) {
    const name = maps as keyof typeof KINDS
    compareMaps(kind, '', left[name], right[name], isFolded(left) || isFolded(right), differences)
  }
  const [a = new Map(), b = new Map()] = defaultsByName(left, right)
  compareMaps('default privileges', '', a, b, isFolded(left) || isFolded(right), differences)
  return options.ignore ? differences.filter((difference) => !options.ignore?.(difference)) : differences
}

const KINDS = {
  schemas: 'schema',
  extensions: 'extension',
  roles: 'role',
  types: 'type',
  sequences: 'sequence',
  tables: 'table',
  views: 'view',
  functions: 'function',
  statistics: 'statistics',
  publications: 'publication',
  eventTriggers: 'event trigger',
  others: 'other',
} as const

const PART_KINDS: Record<string, string> = {
  columns: 'column',
  constraints: 'constraint',
  indexes: 'index',
  policies: 'policy',
  triggers: 'trigger',
  rules: 'rule',
}

type Item = Record<string, unknown>

/** Only files give positions. */
function isFolded(catalog: Catalog): boolean {
  const maps = [catalog.schemas, catalog.tables, catalog.functions, catalog.views, catalog.types]
  return catalog.unknown.length > 0 || maps.some((map) => [...map.values()].some((item) => item.position !== undefined))
}

/** Default privileges by what they are about; those of whoever runs the files are those of the role that the other side names. */
function defaultsByName(left: Catalog, right: Catalog): Map<string, DefaultPrivilege>[] {
  const named = (catalog: Catalog) => new Set(catalog.defaultPrivileges.map(({ owner }) => owner))
  return [left, right].map((catalog) => {
    const others = named(catalog === left ? right : left)
    const entries = catalog.defaultPrivileges.map((entry): [string, DefaultPrivilege] => {
      const owner = others.has(null) && !others.has(entry.owner) ? null : entry.owner
      const place = entry.schema === null ? '' : ` in ${entry.schema}`
      return [`of ${owner ?? 'the one who runs the files'}${place} on ${entry.objectType}s`, { ...entry, owner }]
    })
    return new Map(entries)
  })
}

function compareMaps(
  kind: string,
  owner: string,
  left: ReadonlyMap<string, object>,
  right: ReadonlyMap<string, object>,
  loose: boolean,
  differences: Difference[],
): void {
  for (const [name, item] of left) {
    const other = right.get(name)
    if (other) compareItems({ kind, owner, name }, item as Item, other as Item, loose, differences)
    else
      differences.push({
        object: objectName(kind, owner, name),
        kind: 'missing',
        property: null,
        left: name,
        right: null,
      })
  }
  for (const name of right.keys()) {
    if (left.has(name)) continue
    differences.push({ object: objectName(kind, owner, name), kind: 'extra', property: null, left: null, right: name })
  }
}

function objectName(kind: string, owner: string, name: string): string {
  if (owner === '') return `${kind} ${name}`
  return kind === 'column' ? `column ${owner}.${name}` : `${kind} ${name} on ${owner}`
}

const NO_DIFFERENCE = new Set(['position', 'notNullPosition', 'grantors'])

interface Compared {
  readonly kind: string
  readonly owner: string
  readonly name: string
}

function compareItems(item: Compared, left: Item, right: Item, loose: boolean, differences: Difference[]): void {
  for (const property of Object.keys(left)) compareProperty(item, property, left, right, loose, differences)
  for (const property of Object.keys(right))
    if (!(property in left)) compareProperty(item, property, left, right, loose, differences)
}

function compareProperty(
  { kind, owner, name }: Compared,
  property: string,
  { [property]: a }: Item,
  { [property]: b }: Item,
  loose: boolean,
  differences: Difference[],
): void {
  if (a === b || NO_DIFFERENCE.has(property)) return
  if (a instanceof Map && b instanceof Map) {
    compareMaps(PART_KINDS[property] ?? property, name, a, b, loose, differences)
  } else if (!isSame(kind, property, a, b, loose)) {
    differences.push({ object: objectName(kind, owner, name), kind: 'changed', property, left: a, right: b })
  }
}

/** What their files say and what a server prints of them are two texts: files give the source, a server at most a summary. */
const DEFINED_ELSEWHERE = new Set(['other', 'function'])

const EXPRESSIONS = new Set(['default', 'generated', 'using', 'withCheck', 'predicate', 'expression', 'when', 'where'])

function isSame(kind: string, property: string, a: unknown, b: unknown, loose: boolean): boolean {
  if (JSON.stringify(a) === JSON.stringify(b)) return true
  if (property === 'grants') return sameSet(a as object[], b as object[])
  if (property === 'digests') return a === null || b === null
  if (Array.isArray(a) && Array.isArray(b)) return sameList(a, b, loose)
  if (property === 'columnDefaults') return sameDefaults(a as Defaults, b as Defaults, loose)
  if (!loose) return typeof a === 'string' && typeof b === 'string' && isReadBack(kind, property, a, b)
  // Files may leave it to whoever runs them, and name no version.
  if (DEFINED_ELSEWHERE.has(kind) && property === 'definition') return true
  if (property === 'owner' || (kind === 'extension' && property === 'version')) return a === null || b === null
  if (typeof a !== 'string' || typeof b !== 'string') return false
  if (EXPRESSIONS.has(property)) return sameExpression(a, b)
  if (kind === 'constraint' && property === 'definition') return sameText('constraint', a, b)
  if (kind === 'function' && property === 'arguments') return sameText('arguments', a, b)
  if (kind === 'function' && property === 'body') return sameText('body', a, b)
  // PostgreSQL rewrites a query beyond recognition (stars, aliases, joins): its columns and options are compared instead.
  if (kind === 'view' && property === 'definition') return true
  if (kind === 'rule' && property === 'definition') return ruleHead(a) === ruleHead(b)
  return kind === 'table' && property === 'partitionBound' ? sameText('bound', a, b) : false
}

type Defaults = Record<string, string>

function sameDefaults(a: Defaults, b: Defaults, loose: boolean): boolean {
  const columns = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...columns].every((column) => {
    const [one, other] = [a[column], b[column]]
    if (one === undefined || other === undefined) return false
    return loose ? sameExpression(one, other) : sameNesting('expression', one, other)
  })
}

/** What PostgreSQL prints is not always what it prints when it has read that: `a and (b and c)` comes back as `a and b and c`. */
function isReadBack(kind: string, property: string, a: string, b: string): boolean {
  if (EXPRESSIONS.has(property)) return sameNesting('expression', a, b)
  if (property !== 'definition') return false
  return kind === 'view' ? sameNesting('query', a, b) : kind === 'constraint' && sameNesting('constraint', a, b)
}

/** Of a rule the event and whether it acts instead; its actions are rewritten like queries. */
function ruleHead(definition: string): string {
  const [, event = '', instead = ''] = /\bon\s+(\w+)\s.*?\bdo\s+(instead)?/is.exec(definition) ?? []
  return `${event} ${instead}`.toLowerCase()
}

function sameSet(a: object[], b: object[]): boolean {
  const texts = (items: object[]) =>
    items
      .map((item) => JSON.stringify(Object.entries(item).toSorted(([one], [two]) => compareText(one, two))))
      .toSorted()
  return texts(a).join('\n') === texts(b).join('\n')
}

/** Lists of parts that hold expressions: keys of an index, checks of a domain. */
function sameList(a: unknown[], b: unknown[], loose: boolean): boolean {
  return (
    a.length === b.length &&
    a.every((item, n) => {
      const other = b[n]
      if (typeof item !== 'object' || item === null || typeof other !== 'object' || other === null)
        return item === other
      const differences: Difference[] = []
      const kind = 'definition' in item ? 'constraint' : 'part'
      compareItems({ kind, owner: '', name: '' }, item as Item, other as Item, loose, differences)
      return differences.length === 0
    })
  )
}
