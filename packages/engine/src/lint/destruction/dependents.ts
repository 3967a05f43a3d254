import type { Catalog } from '../../catalog/model.ts'
import type { DroppedObject } from './dropped-objects.ts'

export interface Dependent {
  /** `view 'public.totals'`, `column 'public.orders.state'`. */
  readonly what: string
  /** The table or view that it is or belongs to, `schema.name`. */
  readonly owner: string
}

/** What PostgreSQL knows to need an object, so that it refuses to drop it or, with CASCADE, drops that as well. */
export function dependentsOf({ kind, name }: DroppedObject, catalog: Catalog): Dependent[] {
  switch (kind) {
    case 'table':
    case 'foreign table':
      return [...foreignKeysTo(name, catalog), ...heirsOf(name, catalog), ...viewsOn(name, catalog)]
    case 'view':
    case 'materialized view':
      return viewsOn(name, catalog)
    case 'type':
    case 'domain':
      return usersOfType(name, catalog)
    case 'function':
    case 'procedure':
    case 'routine':
      return usersOfFunction(name, catalog)
    case 'sequence':
      return columns(catalog, (column) => column.default?.includes(`'${name}'`) ?? false)
    case 'schema':
      return contents(name, catalog)
    default:
      return []
  }
}

/** At most three of them, in words. */
export function listed(dependents: readonly Dependent[]): string {
  const first = dependents.slice(0, 3).map(({ what }) => what)
  const more = dependents.length - first.length
  return more > 0 ? `${first.join(', ')} and ${more} more` : first.join(' and ')
}

function foreignKeysTo(name: string, { tables }: Catalog): Dependent[] {
  return [...tables].flatMap(([owner, { constraints }]) =>
    [...constraints.values()]
      .filter(({ references }) => references === name && owner !== name)
      .map((key) => ({ what: `foreign key '${key.name}' of '${owner}'`, owner })),
  )
}

function heirsOf(name: string, { tables }: Catalog): Dependent[] {
  return [...tables]
    .filter(([, { inherits }]) => inherits.includes(name))
    .map(([owner]) => ({ what: `table '${owner}'`, owner }))
}

function viewsOn(name: string, { views }: Catalog): Dependent[] {
  return [...views]
    .filter(([owner, { dependencies }]) => owner !== name && dependencies.includes(name))
    .map(([owner]) => ({ what: `view '${owner}'`, owner }))
}

function columns(
  { tables }: Catalog,
  isUser: (column: { type: string; default: string | null; generated: string | null }) => boolean,
): Dependent[] {
  return [...tables].flatMap(([owner, table]) =>
    [...table.columns.values()].filter(isUser).map((column) => ({ what: `column '${owner}.${column.name}'`, owner })),
  )
}

function usersOfType(name: string, catalog: Catalog): Dependent[] {
  const isIt = (type: string) => type.replace(/\[\]$/, '') === name
  const routines = [...catalog.functions]
    .filter(([, { argumentTypes, returns }]) => argumentTypes.some(isIt) || isIt(returns.replace(/^setof /i, '')))
    .map(([key]) => ({ what: `function '${key}'`, owner: key }))
  const types = [...catalog.types]
    .filter(
      ([key, { base, attributes }]) => key !== name && (isIt(base ?? '') || attributes.some(({ type }) => isIt(type))),
    )
    .map(([key]) => ({ what: `type '${key}'`, owner: key }))
  return [...columns(catalog, ({ type }) => isIt(type)), ...types, ...routines]
}

function usersOfFunction(signature: string, catalog: Catalog): Dependent[] {
  const name = signature.replace(/\(.*$/s, '')
  const triggers = signature.endsWith('()')
    ? [...catalog.tables].flatMap(([owner, table]) =>
        [...table.triggers.values()]
          .filter((trigger) => trigger.function === name)
          .map((trigger) => ({ what: `trigger '${trigger.name}' of '${owner}'`, owner })),
      )
    : []
  const overloads = [...catalog.functions.keys()].filter((key) => key.startsWith(`${name}(`))
  if (overloads.length !== 1) return triggers
  const calls = (text: string | null) =>
    text !== null && text.replaceAll('"', '').includes(`${name.replace(/^public\./, '')}(`)
  const policies = [...catalog.tables].flatMap(([owner, table]) =>
    [...table.policies.values()]
      .filter(({ using, withCheck }) => calls(using) || calls(withCheck))
      .map((policy) => ({ what: `policy '${policy.name}' of '${owner}'`, owner })),
  )
  const values = columns(catalog, (column) => calls(column.default) || calls(column.generated))
  return [...triggers, ...values, ...policies, ...viewsOn(name, catalog)]
}

function contents(schema: string, catalog: Catalog): Dependent[] {
  const { tables, views, sequences, types, functions } = catalog
  const kinds: [string, ReadonlyMap<string, { readonly schema: string }>][] = [
    ['table', tables],
    ['view', views],
    ['type', types],
    ['function', functions],
    ['sequence', sequences],
  ]
  return kinds.flatMap(([kind, map]) =>
    [...map].filter(([, own]) => own.schema === schema).map(([key]) => ({ what: `${kind} '${key}'`, owner: key })),
  )
}
