import type { Fold } from '../files/fold.ts'
import type { Catalog, Table, View } from '../model.ts'
import { SYSTEM_SCHEMAS, withoutModifier, type Item } from './rows.ts'
import { standardRows } from './standard-rows.ts'
import { undecided, type Ref, type Value } from './value.ts'

/** What is known of the rows that are asked for: `attrelid = a.t`. Only a hint; whoever asks filters. */
export type Hints = ReadonlyMap<string, Value>

/** Rows of pg_catalog and information_schema as the folded catalog has them; a column that is left out cannot be told. */
export function catalogRows(fold: Fold, schema: string, name: string, hints: Hints): Item[] {
  const rows = schema === 'information_schema' ? standardRows[name] : CATALOGS[name]
  return rows ? rows(fold.catalog, hints) : undecided(`rows of ${schema}.${name}`)
}

const ref = (kind: Ref['ref'], key: string): Ref => ({ ref: kind, key })
const oid = (kind: string, key: string): Ref => ref('other', `${kind} ${key}`)

/** Whoever runs the files owns what nobody else was given. */
export const RUNNER = ''

const owner = (name: string | null): Ref => ref('role', name ?? RUNNER)

type Relation = (Table | View) & { key: string }

function relations({ tables, views }: Catalog, hints: Hints, column: string): Relation[] {
  const key = keyOf(hints.get(column))
  const one = key === undefined ? undefined : (tables.get(key) ?? views.get(key))
  if (key !== undefined) return one ? [{ ...one, key }] : []
  const schema = keyOf(hints.get('relnamespace'))
  const name = hints.get('relname')
  const found: Relation[] = []
  for (const map of [tables, views]) {
    for (const [own, item] of map) {
      if ((schema === undefined || item.schema === schema) && (typeof name !== 'string' || item.name === name))
        found.push({ ...item, key: own })
    }
  }
  return found
}

function keyOf(value: Value | undefined): string | undefined {
  return typeof value === 'object' && value !== null && 'ref' in value ? value.key : undefined
}

function isTable(relation: Table | View): relation is Table {
  return 'partitionKey' in relation
}

function classRow(
  key: string,
  schema: string,
  name: string,
  relkind: string,
  by: string | null,
  more: Item = {},
): Item {
  return {
    oid: ref('class', key),
    relname: name,
    relnamespace: ref('namespace', schema),
    relkind,
    relowner: owner(by),
    relrowsecurity: false,
    relforcerowsecurity: false,
    relispartition: false,
    relpersistence: 'p',
    ...more,
  }
}

function classes(catalog: Catalog, hints: Hints): Item[] {
  const rows: Item[] = relations(catalog, hints, 'oid').map((own) =>
    isTable(own)
      ? classRow(own.key, own.schema, own.name, own.partitionKey === null ? 'r' : 'p', own.owner, {
          relrowsecurity: own.rlsEnabled,
          relforcerowsecurity: own.rlsForced,
          relispartition: own.partitionOf !== null,
          relpersistence: own.unlogged ? 'u' : 'p',
        })
      : classRow(own.key, own.schema, own.name, own.materialized ? 'm' : 'v', own.owner),
  )
  if (hints.has('oid') && rows.length > 0) return rows
  for (const [key, own] of catalog.sequences) rows.push(classRow(key, own.schema, own.name, 'S', own.owner))
  const schema = keyOf(hints.get('relnamespace'))
  for (const table of [...catalog.tables.values(), ...catalog.views.values()]) {
    if (schema !== undefined && table.schema !== schema) continue
    const kind = isTable(table) && table.partitionKey !== null ? 'I' : 'i'
    for (const name of table.indexes.keys())
      rows.push(classRow(`${table.schema}.${name}`, table.schema, name, kind, table.owner))
  }
  for (const [key, own] of catalog.types)
    if (own.kind === 'composite') rows.push(classRow(key, own.schema, own.name, 'c', own.owner))
  return rows
}

function attributes(catalog: Catalog, hints: Hints): Item[] {
  return relations(catalog, hints, 'attrelid').flatMap((own) => {
    if (!isTable(own)) {
      return own.columns.map((attname, n) => ({
        attrelid: ref('class', own.key),
        attname,
        attnum: n + 1,
        attisdropped: false,
      }))
    }
    return namedBy(own.columns, hints.get('attname')).map((column) => ({
      attrelid: ref('class', own.key),
      attname: column.name,
      attnum: column.ordinal,
      attisdropped: false,
      attnotnull: column.notNull,
      atthasdef: column.default !== null || column.generated !== null,
      atttypid: ref('type', withoutModifier(column.type)),
      attidentity: column.identity === null ? '' : column.identity === 'always' ? 'a' : 'd',
      attgenerated: column.generated === null ? '' : column.generated.endsWith(' virtual') ? 'v' : 's',
    }))
  })
}

function inNamespace<Item extends { readonly schema: string }>(
  items: ReadonlyMap<string, Item>,
  namespace: Value | undefined,
): [string, Item][] {
  const schema = keyOf(namespace)
  return schema === undefined ? [...items] : [...items].filter(([, item]) => item.schema === schema)
}

function namedBy<Item>(items: ReadonlyMap<string, Item>, name: Value | undefined): Item[] {
  if (typeof name !== 'string') return [...items.values()]
  const item = items.get(name)
  return item === undefined ? [] : [item]
}

const CONTYPES = {
  'primary key': 'p',
  unique: 'u',
  'foreign key': 'f',
  check: 'c',
  exclude: 'x',
  'not null': 'n',
} as const

function constraints(catalog: Catalog, hints: Hints): Item[] {
  const rows: Item[] = relations(catalog, hints, 'conrelid').flatMap((own) =>
    isTable(own)
      ? namedBy(own.constraints, hints.get('conname')).map((constraint) => ({
          oid: oid('constraint', `${own.key}.${constraint.name}`),
          conname: constraint.name,
          conrelid: ref('class', own.key),
          connamespace: ref('namespace', own.schema),
          contype: CONTYPES[constraint.kind],
          confrelid: constraint.references === null ? 0 : ref('class', constraint.references),
          contypid: 0,
          convalidated: constraint.validated,
          condeferrable: constraint.deferrable,
        }))
      : [],
  )
  if (hints.has('conrelid')) return rows
  for (const [key, type] of catalog.types) {
    for (const check of type.checks) {
      const own = { oid: oid('constraint', `${key}.${check.name}`), conname: check.name, conrelid: 0 }
      rows.push({ ...own, connamespace: ref('namespace', type.schema), contype: 'c', contypid: ref('type', key) })
    }
  }
  return rows
}

const EVENT_BITS: Record<string, number> = { insert: 4, delete: 8, update: 16, truncate: 32 }

function triggers(catalog: Catalog, hints: Hints): Item[] {
  return relations(catalog, hints, 'tgrelid').flatMap((own) =>
    namedBy(own.triggers, hints.get('tgname')).map((trigger) => ({
      tgname: trigger.name,
      tgrelid: ref('class', own.key),
      tgfoid: ref('proc', `${trigger.function}()`),
      tgisinternal: false,
      tgenabled: { origin: 'O', always: 'A', replica: 'R', disabled: 'D' }[trigger.enabled],
      tgtype:
        (trigger.level === 'row' ? 1 : 0) +
        (trigger.timing === 'before' ? 2 : trigger.timing === 'instead of' ? 64 : 0) +
        trigger.events.reduce((sum, event) => sum + (EVENT_BITS[event] ?? 0), 0),
    })),
  )
}

function indexes(catalog: Catalog, hints: Hints): Item[] {
  return relations(catalog, hints, 'indrelid').flatMap((own) =>
    [...own.indexes.values()].map((index) => ({
      indexrelid: ref('class', `${own.schema}.${index.name}`),
      indrelid: ref('class', own.key),
      indisunique: index.unique,
      indisprimary: isTable(own) && own.constraints.get(index.name)?.kind === 'primary key',
      indisvalid: index.valid,
    })),
  )
}

function types(catalog: Catalog, hints: Hints): Item[] {
  const namespace = hints.get('typnamespace')
  const rows: Item[] = inNamespace(catalog.types, namespace).map(([key, own]) => ({
    oid: ref('type', key),
    typname: own.name,
    typnamespace: ref('namespace', own.schema),
    typtype: { enum: 'e', domain: 'd', composite: 'c', range: 'r' }[own.kind],
    typowner: owner(own.owner),
  }))
  const withRowType = [...inNamespace(catalog.tables, namespace), ...inNamespace(catalog.views, namespace)]
  for (const [key, own] of withRowType)
    rows.push({
      oid: ref('type', key),
      typname: own.name,
      typnamespace: ref('namespace', own.schema),
      typtype: 'c',
      typowner: owner(own.owner),
    })
  return rows
}

function roles({ roles: all }: Catalog, hints: Hints): Item[] {
  const rows: Item[] = namedBy(all, hints.get('rolname')).map((role) => ({
    oid: ref('role', role.name),
    rolname: role.name,
    rolsuper: role.superuser,
    rolcanlogin: role.login,
    rolbypassrls: role.bypassRls,
    rolinherit: role.inherit,
  }))
  return [
    ...rows,
    {
      oid: ref('role', RUNNER),
      rolname: RUNNER,
      rolsuper: true,
      rolcanlogin: true,
      rolbypassrls: true,
      rolinherit: true,
    },
  ]
}

const CATALOGS: Record<string, (catalog: Catalog, hints: Hints) => Item[]> = {
  pg_namespace: ({ schemas }) => [
    ...[...schemas.values()].map((own) => ({
      oid: ref('namespace', own.name),
      nspname: own.name,
      nspowner: owner(own.owner),
    })),
    ...SYSTEM_SCHEMAS.map((name) => ({ oid: ref('namespace', name), nspname: name, nspowner: owner(null) })),
  ],
  pg_class: classes,
  pg_attribute: attributes,
  pg_constraint: constraints,
  pg_trigger: triggers,
  pg_index: indexes,
  pg_type: types,
  pg_enum: ({ types: all }) =>
    [...all].flatMap(([key, own]) =>
      own.labels.map((enumlabel, n) => ({ enumtypid: ref('type', key), enumlabel, enumsortorder: n + 1 })),
    ),
  pg_proc: ({ functions }, hints) =>
    inNamespace(functions, hints.get('pronamespace')).map(([key, own]) => ({
      oid: ref('proc', key),
      proname: own.name,
      pronamespace: ref('namespace', own.schema),
      prokind: { function: 'f', procedure: 'p', aggregate: 'a' }[own.kind],
      proowner: owner(own.owner),
      pronargs: own.argumentTypes.length,
      prosecdef: own.securityDefiner,
    })),
  pg_policy: (catalog, hints) =>
    relations(catalog, hints, 'polrelid').flatMap((own) =>
      isTable(own) ? [...own.policies.keys()].map((polname) => ({ polname, polrelid: ref('class', own.key) })) : [],
    ),
  pg_policies: ({ tables }) =>
    [...tables.values()].flatMap((own) =>
      [...own.policies.values()].map((policy) => ({
        schemaname: own.schema,
        tablename: own.name,
        policyname: policy.name,
        cmd: policy.command.toUpperCase(),
        permissive: policy.permissive ? 'PERMISSIVE' : 'RESTRICTIVE',
        roles: policy.roles,
      })),
    ),
  pg_extension: ({ extensions }) =>
    [...extensions.values()].map((own) => ({
      oid: oid('extension', own.name),
      extname: own.name,
      extnamespace: ref('namespace', own.schema),
    })),
  pg_roles: roles,
  pg_authid: roles,
  pg_user: (catalog) =>
    roles(catalog, new Map())
      .filter((role) => role['rolcanlogin'] === true)
      .map((role) => ({ usename: role['rolname'] ?? null, usesuper: role['rolsuper'] ?? null })),
  pg_auth_members: ({ roles: all }) =>
    [...all.values()].flatMap((role) =>
      role.memberOf.map((group) => ({ roleid: ref('role', group), member: ref('role', role.name) })),
    ),
  pg_tables: ({ tables }) =>
    [...tables.values()].map((own) => ({
      schemaname: own.schema,
      tablename: own.name,
      tableowner: own.owner ?? RUNNER,
      hasindexes: own.indexes.size > 0,
      hastriggers: own.triggers.size > 0,
      rowsecurity: own.rlsEnabled,
    })),
  pg_views: ({ views }) =>
    [...views.values()]
      .filter((own) => !own.materialized)
      .map((own) => ({ schemaname: own.schema, viewname: own.name })),
  pg_matviews: ({ views }) =>
    [...views.values()]
      .filter((own) => own.materialized)
      .map((own) => ({ schemaname: own.schema, matviewname: own.name })),
  pg_sequences: ({ sequences }) =>
    [...sequences.values()].map((own) => ({ schemaname: own.schema, sequencename: own.name })),
  pg_indexes: ({ tables, views }) =>
    [...tables.values(), ...views.values()].flatMap((own) =>
      [...own.indexes.keys()].map((indexname) => ({ schemaname: own.schema, tablename: own.name, indexname })),
    ),
  pg_inherits: ({ tables }) =>
    [...tables].flatMap(([key, own]) =>
      [...own.inherits, ...(own.partitionOf === null ? [] : [own.partitionOf])].map((parent) => ({
        inhrelid: ref('class', key),
        inhparent: ref('class', parent),
      })),
    ),
  // what ties a sequence to its column; nothing else is asked for in migrations
  pg_depend: ({ sequences }) =>
    [...sequences].flatMap(([key, own]) => {
      const table = own.ownedBy?.slice(0, own.ownedBy.lastIndexOf('.'))
      return table === undefined ? [] : { objid: ref('class', key), refobjid: ref('class', table), deptype: 'a' }
    }),
  pg_publication: ({ publications }) =>
    [...publications.values()].map((own) => ({ pubname: own.name, puballtables: own.allTables })),
  pg_publication_tables: ({ publications }) =>
    [...publications.values()].flatMap((own) =>
      own.tables.map(({ table }) => {
        const [schemaname = '', tablename = ''] = table.split('.')
        return { pubname: own.name, schemaname, tablename }
      }),
    ),
  pg_event_trigger: ({ eventTriggers }) => [...eventTriggers.keys()].map((evtname) => ({ evtname })),
  pg_statistic_ext: ({ statistics }) =>
    [...statistics.values()].map((own) => ({
      stxname: own.name,
      stxnamespace: ref('namespace', own.schema),
      stxrelid: ref('class', own.table),
    })),
}
