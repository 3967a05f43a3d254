import type { Catalog, Column, Index, PublishedTable, Routine, Table, UserType, View } from '../model.ts'

/** How a text is read: WRAPPERS makes a statement of it. */
export type TextKind =
  'expression' | 'query' | 'constraint' | 'arguments' | 'body' | 'statement' | 'partition key' | 'bound'

/** A text of the catalog that names other objects. */
export interface Stored {
  readonly kind: TextKind
  readonly text: string
  /** The table whose columns it may name. */
  readonly table: string | null
  /** `policy p on a.t`. */
  readonly what: string
  set(text: string): void
  /** What goes when something that it names is dropped, unless that is a `whole` object. */
  drop(): void
  /** The view, routine or column that stands and falls with the text. */
  readonly whole?: { readonly kind: 'view' | 'routine' | 'column'; readonly key: string; readonly name: string }
}

type Mentions = (text: string) => boolean

/** Everything in the catalog that is kept as SQL text and passes a first glance. */
export function* storedTexts(catalog: Catalog, mentions: Mentions): Generator<Stored> {
  for (const [key, table] of catalog.tables) yield* tableTexts(key, table, mentions)
  for (const [key, view] of catalog.views) yield* viewTexts(catalog, key, view, mentions)
  for (const [key, type] of catalog.types) yield* typeTexts(catalog, key, type, mentions)
  for (const [key, routine] of catalog.functions) yield* routineTexts(catalog, key, routine, mentions)
  for (const [name, { tables }] of catalog.publications) {
    for (const { table, where } of tables) {
      if (where === null || !mentions(where)) continue
      const change = (parts: Partial<PublishedTable> | null) => {
        const now = catalog.publications.get(name)?.tables ?? []
        const changed = now.flatMap((own) => (own.table !== table ? own : parts ? { ...own, ...parts } : []))
        changer(catalog.publications, name)({ tables: changed })
      }
      yield expression(
        where,
        table,
        `publication ${name}`,
        (text) => change({ where: text }),
        () => change(null),
      )
    }
  }
  for (const [key, own] of catalog.statistics) {
    for (const [n, text] of own.expressions.entries()) {
      if (!mentions(text)) continue
      const set = (changed: string) => {
        const now = catalog.statistics.get(key) ?? own
        catalog.statistics.set(key, { ...now, expressions: now.expressions.with(n, changed) })
      }
      yield expression(text, own.table, `statistics ${key}`, set, () => void catalog.statistics.delete(key))
    }
  }
}

function expression(
  text: string,
  table: string | null,
  what: string,
  set: (text: string) => void,
  drop: () => void,
): Stored {
  return { kind: 'expression', text, table, what, set, drop }
}

/** Changes an entry of a map, as it is by then. */
function changer<Item extends object>(map: Map<string, Item>, key: string): (parts: Partial<Item>) => void {
  return (parts) => {
    const item = map.get(key)
    if (item) map.set(key, { ...item, ...parts })
  }
}

function* typeTexts(
  catalog: Catalog,
  key: string,
  { default: value, checks }: UserType,
  mentions: Mentions,
): Generator<Stored> {
  const change = changer(catalog.types, key)
  if (value !== null && mentions(value)) {
    const drop = () => change({ default: null })
    yield expression(value, null, `default of ${key}`, (text) => change({ default: text }), drop)
  }
  for (const { name, definition } of checks) {
    if (!mentions(definition)) continue
    const now = () => catalog.types.get(key)?.checks ?? []
    yield {
      kind: 'constraint',
      text: definition,
      table: null,
      what: `check of ${key}`,
      set: (text) => change({ checks: now().map((own) => (own.name === name ? { ...own, definition: text } : own)) }),
      drop: () => change({ checks: now().filter((own) => own.name !== name) }),
    }
  }
}

function* routineTexts(catalog: Catalog, key: string, routine: Routine, mentions: Mentions): Generator<Stored> {
  const change = changer(catalog.functions, key)
  const base = () => ({
    table: null,
    what: `function ${key}`,
    drop: () => {},
    whole: { kind: 'routine', key, name: routine.name } as const,
  })
  if (routine.arguments !== '' && mentions(routine.arguments))
    yield { ...base(), kind: 'arguments', text: routine.arguments, set: (text) => change({ arguments: text }) }
  if (routine.language === 'sql' && mentions(routine.body) && /^(return|begin\s+atomic)\b/i.test(routine.body))
    yield { ...base(), kind: 'body', text: routine.body, set: (text) => change({ body: text }) }
}

function* tableTexts(key: string, table: Table, mentions: Mentions): Generator<Stored> {
  for (const column of table.columns.values()) yield* columnTexts(key, table, column, mentions)
  for (const [name, { kind, definition }] of table.constraints) {
    if ((kind !== 'check' && kind !== 'exclude') || !mentions(definition)) continue
    const change = changer(table.constraints, name)
    const drop = () => {
      table.constraints.delete(name)
      table.indexes.delete(name)
    }
    const set = (text: string) => change({ definition: text })
    yield { kind: 'constraint', text: definition, table: key, what: `constraint ${name} on ${key}`, set, drop }
  }
  yield* indexTexts(key, table.indexes, mentions)
  for (const [name, policy] of table.policies) {
    for (const part of ['using', 'withCheck'] as const) {
      const text = policy[part]
      if (text === null || !mentions(text)) continue
      const change = changer(table.policies, name)
      const set = (changed: string) => change(part === 'using' ? { using: changed } : { withCheck: changed })
      yield expression(text, key, `policy ${name} on ${key}`, set, () => void table.policies.delete(name))
    }
  }
  if (table.partitionKey !== null && mentions(table.partitionKey)) {
    const set = (text: string) => void Object.assign(table, { partitionKey: text })
    const what = `partition key of ${key}`
    yield { kind: 'partition key', text: table.partitionKey, table: key, what, set, drop: () => {} }
  }
  yield* triggerAndRuleTexts(key, table, mentions)
}

function* columnTexts(
  key: string,
  table: Table,
  { name, default: value, generated }: Column,
  mentions: Mentions,
): Generator<Stored> {
  const change = changer(table.columns, name)
  if (value !== null && mentions(value)) {
    const drop = () => change({ default: null })
    yield expression(value, null, `default of ${key}.${name}`, (text) => change({ default: text }), drop)
  }
  if (generated !== null && mentions(generated)) {
    const [, text = '', kind = ''] = /^(.*?)( virtual)?$/s.exec(generated) ?? []
    const set = (changed: string) => change({ generated: changed + kind })
    const whole = { kind: 'column', key, name } as const
    yield { ...expression(text, key, `column ${key}.${name}`, set, () => {}), whole }
  }
}

function* indexTexts(key: string, indexes: Map<string, Index>, mentions: Mentions): Generator<Stored> {
  for (const [name, { predicate, keys }] of indexes) {
    const change = changer(indexes, name)
    const drop = () => void indexes.delete(name)
    const what = `index ${name} on ${key}`
    if (predicate !== null && mentions(predicate))
      yield expression(predicate, key, what, (text) => change({ predicate: text }), drop)
    for (const [n, { expression: text }] of keys.entries()) {
      if (text === null || !mentions(text)) continue
      const set = (changed: string) => {
        const now = indexes.get(name)?.keys ?? []
        change({ keys: now.map((own, m) => (m === n ? { ...own, expression: changed } : own)) })
      }
      yield expression(text, key, what, set, drop)
    }
  }
}

function* triggerAndRuleTexts(key: string, { triggers, rules }: Table | View, mentions: Mentions): Generator<Stored> {
  for (const [name, { when }] of triggers) {
    if (when === null || !mentions(when)) continue
    const set = (text: string) => changer(triggers, name)({ when: text })
    yield expression(when, key, `trigger ${name} on ${key}`, set, () => void triggers.delete(name))
  }
  for (const [name, { definition }] of rules) {
    if (!mentions(definition)) continue
    const set = (text: string) => changer(rules, name)({ definition: text })
    const drop = () => void rules.delete(name)
    yield { kind: 'statement', text: definition, table: key, what: `rule ${name} on ${key}`, set, drop }
  }
}

function* viewTexts(catalog: Catalog, key: string, view: View, mentions: Mentions): Generator<Stored> {
  for (const [column, text] of Object.entries(view.columnDefaults)) {
    if (!mentions(text)) continue
    const change = (value: string | null) => {
      const { [column]: _, ...others } = catalog.views.get(key)?.columnDefaults ?? {}
      changer(catalog.views, key)({ columnDefaults: value === null ? others : { ...others, [column]: value } })
    }
    yield expression(text, null, `default of ${key}.${column}`, change, () => change(null))
  }
  if (mentions(view.definition)) {
    const set = (definition: string) => changer(catalog.views, key)({ definition })
    const whole = { kind: 'view', key, name: view.name } as const
    yield { kind: 'query', text: view.definition, table: null, what: `view ${key}`, set, drop: () => {}, whole }
  }
  yield* indexTexts(key, view.indexes, mentions)
  yield* triggerAndRuleTexts(key, view, mentions)
}
