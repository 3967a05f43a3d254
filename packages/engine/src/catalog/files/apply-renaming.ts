import { quoteIdentifier, quoteQualified } from '../../bundle/quote.ts'
import type { Catalog } from '../model.ts'
import { editTexts, nameParts, replaceName, type Edit } from './edit-text.ts'
import { DEFAULT_SCHEMA, markUnknown, type Fold } from './fold.ts'
import type { Name } from './names.ts'
import { storedTexts, type Stored } from './stored.ts'
import type { Use } from './uses.ts'

/** Carries the new name of a table, view or sequence to everything that names it. The object itself has it already. */
export function renamedRelation(fold: Fold, from: Name, to: Name): void {
  const { catalog } = fold
  for (const table of catalog.tables.values()) {
    const { inherits, partitionOf } = table
    if (partitionOf === from.key || inherits.includes(from.key)) {
      const parents = inherits.map((parent) => (parent === from.key ? to.key : parent))
      Object.assign(table, { partitionOf: partitionOf === from.key ? to.key : partitionOf, inherits: parents })
    }
    for (const [name, constraint] of table.constraints) {
      if (constraint.references !== from.key) continue
      const definition = constraint.definition.replace(
        / REFERENCES [^(]*\(/,
        () => ` REFERENCES ${quoteQualified(to.schema, to.name)}(`,
      )
      table.constraints.set(name, { ...constraint, references: to.key, definition })
    }
  }
  for (const [key, sequence] of catalog.sequences) {
    if (!sequence.ownedBy?.startsWith(`${from.key}.`)) continue
    catalog.sequences.set(key, { ...sequence, ownedBy: to.key + sequence.ownedBy.slice(from.key.length) })
  }
  renamedInLists(catalog, from, to)
  renamedType(fold, from, to)
  editOutside(fold, from, (use, text) => relationEdits(use, text, from, to))
}

function renamedInLists(catalog: Catalog, from: Name, to: Name): void {
  const renamed = (names: readonly string[]) => names.map((name) => (name === from.key ? to.key : name)).toSorted()
  for (const [key, view] of catalog.views) {
    if (view.dependencies.includes(from.key))
      catalog.views.set(key, { ...view, dependencies: renamed(view.dependencies) })
  }
  for (const [key, own] of catalog.statistics)
    if (own.table === from.key) catalog.statistics.set(key, { ...own, table: to.key })
  for (const [name, publication] of catalog.publications) {
    const tables = publication.tables.map((own) => (own.table === from.key ? { ...own, table: to.key } : own))
    catalog.publications.set(name, { ...publication, tables })
  }
}

function relationEdits(use: Use, text: string, from: Name, to: Name): Edit[] {
  const isSchemaKept = from.schema === to.schema
  const schemaFor = (names: readonly string[]) =>
    names.length > 1 || (!isSchemaKept && to.schema !== DEFAULT_SCHEMA) ? to.schema : null
  if (use.kind === 'relation' && use.key === from.key) return replaceName(text, use, schemaFor(use.names), to.name)
  if (use.kind === 'quoted' && use.key === from.key) {
    const start = text.indexOf("'", use.at) + 1
    const schema = schemaFor(use.text.split('.'))
    return [{ start, end: start + use.text.length, text: schema === null ? to.name : `${schema}.${to.name}` }]
  }
  if (use.kind !== 'column' || use.table !== from.key || use.fields.at(-2) !== from.name) return []
  // `old_name.x` of a table without an alias; a three-part name carries its schema
  const part = nameParts(text, use.at).at(use.fields.length - 2)
  return part ? [{ ...part, text: quoteIdentifier(to.name) }] : []
}

/** Carries the new name of a type to columns, fields, arguments, results and texts. */
export function renamedType(fold: Fold, from: Name, to: Name): void {
  const { catalog } = fold
  const [old, now] = [quoteQualified(from.schema, from.name), quoteQualified(to.schema, to.name)]
  const renamed = (text: string) => replaceWord(text, old, now)
  for (const table of catalog.tables.values()) {
    for (const [name, column] of table.columns)
      if (column.type.includes(old)) table.columns.set(name, { ...column, type: renamed(column.type) })
  }
  for (const [key, type] of catalog.types) {
    const attributes = type.attributes.map((own) => ({ ...own, type: renamed(own.type) }))
    catalog.types.set(key, { ...type, base: type.base && renamed(type.base), attributes })
  }
  const functions = [...catalog.functions]
  if (functions.some(([key, own]) => key.includes(old) || own.returns.includes(old))) {
    catalog.functions.clear()
    for (const [key, own] of functions) {
      const argumentTypes = own.argumentTypes.map(renamed)
      const signature = `${own.schema}.${own.name}(${argumentTypes.join(', ')})`
      const text = renamed(own.arguments)
      catalog.functions.set(key.includes(old) ? signature : key, {
        ...own,
        argumentTypes,
        arguments: text,
        returns: renamed(own.returns),
      })
    }
  }
  editOutside(fold, from, (use, text) => {
    const isOne = use.kind === 'type' && use.key === from.key
    const moves = from.schema !== to.schema && to.schema !== DEFAULT_SCHEMA
    return isOne ? replaceName(text, use, use.names.length > 1 || moves ? to.schema : null, to.name) : []
  })
}

function replaceWord(text: string, from: string, to: string): string {
  let at = text.indexOf(from)
  if (at < 0) return text
  let result = ''
  let last = 0
  for (; at >= 0; at = text.indexOf(from, at + 1)) {
    if (/[\w."$]/.test(text[at - 1] ?? ' ') || /[\w."$]/.test(text[at + from.length] ?? ' ')) continue
    result += text.slice(last, at) + to
    last = at + from.length
  }
  return result + text.slice(last)
}

/** Carries the new name of a routine on. A call of one of several routines of that name is told by its count of arguments. */
export function renamedRoutine(fold: Fold, from: Name, to: Name, arity: number, others: readonly number[]): void {
  const { catalog } = fold
  for (const owner of [...catalog.tables.values(), ...catalog.views.values()]) {
    for (const [name, trigger] of owner.triggers)
      if (trigger.function === from.key && arity === 0) owner.triggers.set(name, { ...trigger, function: to.key })
  }
  for (const [name, trigger] of catalog.eventTriggers)
    if (trigger.function === from.key && arity === 0) catalog.eventTriggers.set(name, { ...trigger, function: to.key })
  if (others.length === 0) renamedInLists(catalog, from, to)
  const callers = new Set<string>()
  const moves = from.schema !== to.schema && to.schema !== DEFAULT_SCHEMA
  editOutside(fold, from, (use, text, stored) => {
    if (use.kind !== 'routine' || use.key !== from.key) return []
    if (others.includes(use.arity ?? 0)) {
      markUnknown(fold, `rename of ${from.key}, one of several that ${stored.what} may call`)
      return []
    }
    if (stored.whole?.kind === 'view') callers.add(stored.whole.key)
    return replaceName(text, use, use.names.length > 1 || moves ? to.schema : null, to.name)
  })
  for (const key of callers) {
    const view = catalog.views.get(key)
    const names = (view?.dependencies ?? []).map((name) => (name === from.key ? to.key : name))
    if (view) catalog.views.set(key, { ...view, dependencies: [...new Set(names)].toSorted() })
  }
}

/** The new name of a column in everything that names it: texts, keys, foreign keys, statistics, publications. */
export function renamedColumn(fold: Fold, table: string, from: string, to: string): void {
  editOutside(fold, { name: from }, (use, text, stored) => {
    if (use.kind === 'shared' && use.column === from)
      markUnknown(fold, `rename of ${from}, which ${stored.what} joins by its name`)
    if (use.kind !== 'column' || use.table !== table || use.column !== from) return []
    const part = nameParts(text, use.at).at(use.fields.length - 1)
    if (!part) return []
    // the name of the query's column stays
    const isOfQuery = stored.kind === 'query' || stored.kind === 'statement'
    const output = use.isOutput && isOfQuery ? ` as ${quoteIdentifier(from)}` : ''
    return [{ ...part, text: quoteIdentifier(to) + output }]
  })
}

function editOutside(
  fold: Fold,
  { name }: Pick<Name, 'name'>,
  edit: (use: Use, text: string, stored: Stored) => Edit[],
): void {
  // The texts are canonical: their names mean what they mean with the usual path.
  const path = fold.searchPath
  fold.searchPath = [DEFAULT_SCHEMA]
  editTexts(fold, [...storedTexts(fold.catalog, (text) => text.includes(name))], edit)
  fold.searchPath = path
}
