import type { Catalog, Index, Table, View } from '../model.ts'

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

/** Everything in the catalog that is kept as SQL text. */
export function* storedTexts(catalog: Catalog): Generator<Stored> {
  for (const [key, table] of catalog.tables) yield* tableTexts(key, table)
  for (const [key, view] of catalog.views) yield* viewTexts(catalog, key, view)
  for (const [key, type] of catalog.types) {
    const change = (parts: Partial<typeof type>) => void catalog.types.set(key, { ...type, ...parts })
    const { default: value, checks } = type
    if (value !== null)
      yield expression(
        value,
        null,
        `default of ${key}`,
        (text) => change({ default: text }),
        () => change({ default: null }),
      )
    for (const check of checks) {
      const others = checks.filter((own) => own !== check)
      yield {
        kind: 'constraint',
        text: check.definition,
        table: null,
        what: `check of ${key}`,
        set: (definition) => change({ checks: [...others, { ...check, definition }] }),
        drop: () => change({ checks: others }),
      }
    }
  }
  for (const [key, routine] of catalog.functions) {
    const set = (parts: Partial<typeof routine>) => void catalog.functions.set(key, { ...routine, ...parts })
    const base = {
      table: null,
      what: `function ${key}`,
      drop: () => {},
      whole: { kind: 'routine', key, name: routine.name } as const,
    }
    if (routine.arguments !== '')
      yield { ...base, kind: 'arguments', text: routine.arguments, set: (text) => set({ arguments: text }) }
    if (/^(return|begin\s+atomic)\b/i.test(routine.body) && routine.language === 'sql')
      yield { ...base, kind: 'body', text: routine.body, set: (text) => set({ body: text }) }
  }
  for (const [key, own] of catalog.statistics) {
    for (const [n, text] of own.expressions.entries()) {
      const set = (expressions: string[]) => void catalog.statistics.set(key, { ...own, expressions })
      const drop = () => void catalog.statistics.delete(key)
      yield expression(text, own.table, `statistics ${key}`, (changed) => set(own.expressions.with(n, changed)), drop)
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

function* tableTexts(key: string, table: Table): Generator<Stored> {
  for (const [name, column] of table.columns) {
    const change = (parts: Partial<typeof column>) =>
      void table.columns.set(name, { ...(table.columns.get(name) ?? column), ...parts })
    const { default: value, generated } = column
    if (value !== null)
      yield expression(
        value,
        null,
        `default of ${key}.${name}`,
        (text) => change({ default: text }),
        () => change({ default: null }),
      )
    if (generated !== null) {
      const [, text = '', kind = ''] = /^(.*?)( virtual)?$/s.exec(generated) ?? []
      const set = (changed: string) => change({ generated: changed + kind })
      const whole = { kind: 'column', key, name } as const
      yield { ...expression(text, key, `column ${key}.${name}`, set, () => {}), whole }
    }
  }
  for (const [name, constraint] of table.constraints) {
    if (constraint.kind !== 'check' && constraint.kind !== 'exclude') continue
    const set = (definition: string) =>
      void table.constraints.set(name, { ...(table.constraints.get(name) ?? constraint), definition })
    const drop = () => {
      table.constraints.delete(name)
      table.indexes.delete(name)
    }
    yield {
      kind: 'constraint',
      text: constraint.definition,
      table: key,
      what: `constraint ${name} on ${key}`,
      set,
      drop,
    }
  }
  yield* indexTexts(key, table.indexes)
  for (const [name, policy] of table.policies) {
    for (const part of ['using', 'withCheck'] as const) {
      const text = policy[part]
      const set = (changed: string) =>
        void table.policies.set(name, { ...(table.policies.get(name) ?? policy), [part]: changed })
      if (text !== null)
        yield expression(text, key, `policy ${name} on ${key}`, set, () => void table.policies.delete(name))
    }
  }
  if (table.partitionKey !== null) {
    const set = (text: string) => void Object.assign(table, { partitionKey: text })
    yield {
      kind: 'partition key',
      text: table.partitionKey,
      table: key,
      what: `partition key of ${key}`,
      set,
      drop: () => {},
    }
  }
  yield* triggerAndRuleTexts(key, table)
}

function* indexTexts(key: string, indexes: Map<string, Index>): Generator<Stored> {
  for (const [name, index] of indexes) {
    const change = (parts: Partial<Index>) => void indexes.set(name, { ...(indexes.get(name) ?? index), ...parts })
    const drop = () => void indexes.delete(name)
    const what = `index ${name} on ${key}`
    if (index.predicate !== null)
      yield expression(index.predicate, key, what, (text) => change({ predicate: text }), drop)
    for (const [n, { expression: text }] of index.keys.entries()) {
      if (text === null) continue
      const set = (changed: string) => {
        const { keys } = indexes.get(name) ?? index
        change({ keys: keys.map((own, m) => (m === n ? { ...own, expression: changed } : own)) })
      }
      yield expression(text, key, what, set, drop)
    }
  }
}

function* triggerAndRuleTexts(key: string, { triggers, rules }: Table | View): Generator<Stored> {
  for (const [name, trigger] of triggers) {
    const set = (when: string) => void triggers.set(name, { ...trigger, when })
    if (trigger.when !== null)
      yield expression(trigger.when, key, `trigger ${name} on ${key}`, set, () => void triggers.delete(name))
  }
  for (const [name, rule] of rules) {
    const set = (definition: string) => void rules.set(name, { ...rule, definition })
    const drop = () => void rules.delete(name)
    yield { kind: 'statement', text: rule.definition, table: key, what: `rule ${name} on ${key}`, set, drop }
  }
}

function* viewTexts(catalog: Catalog, key: string, view: View): Generator<Stored> {
  const set = (definition: string) => void catalog.views.set(key, { ...(catalog.views.get(key) ?? view), definition })
  const whole = { kind: 'view', key, name: view.name } as const
  yield { kind: 'query', text: view.definition, table: null, what: `view ${key}`, set, drop: () => {}, whole }
  yield* indexTexts(key, view.indexes)
  yield* triggerAndRuleTexts(key, view)
}
