import { quoteIdentifier } from '@imhotep/engine'
import { tableId, type MovedTable } from '../../model.ts'
import type { OwnedForeignKey, SharedCatalog } from '../../side.ts'
import type { TypeFinding } from '../../types/map-tables.ts'
import { createCollations } from './collations.ts'
import { deriveTable, type DerivedTable } from './derived-table.ts'
import { foreignKeyDefinition, foreignKeysOf } from './foreign-keys.ts'
import { reportTo, type LeftOut } from './left-out.ts'
import { Names } from './names.ts'
import { printChecks, replaceConstraints, type HasEmptyLabel } from './print-checks.ts'
import { printGenerated } from './print-generated.ts'
import { printIndexes } from './print-indexes.ts'
import { printOnUpdate } from './print-on-update.ts'
import { printTable } from './print-table.ts'

export type { LeftOut } from './left-out.ts'

/** What makes the tables of a service on PostgreSQL, as two migrations: rows are loaded between them. */
export interface DerivedServiceSchema {
  readonly files: { readonly 'V001__tables.sql': string; readonly 'V002__keys.sql': string }
  readonly leftOut: readonly LeftOut[]
  /** Those that V002 makes, by the names of the service's database. */
  readonly foreignKeys: readonly OwnedForeignKey[]
}

export interface DeriveOptions {
  /** What `mapTables` found in the rows. */
  readonly findings?: readonly TypeFinding[]
}

/** Derives the schema of a service from tables of MariaDB. Both files may be run again, on part of what they make too. */
export function deriveServiceSchema(
  catalog: SharedCatalog,
  moved: readonly MovedTable[],
  options: DeriveOptions = {},
): DerivedServiceSchema {
  const tables = deriveTables(catalog, moved)
  const leftOut: LeftOut[] = []
  const foreignKeys: OwnedForeignKey[] = []
  const bodies = tables.map((table) => printTable(table, reportTo(leftOut)))
  const keys = printKeys(tables, options, leftOut, foreignKeys)
  leftOut.push(...triggersOf(catalog, tables))
  const from = [...new Set(moved.map(({ source }) => source.schema))].toSorted().join(', ')
  const schemas = [...new Set(moved.map(({ target }) => target.schema))]
    .filter((schema) => schema !== 'public')
    .toSorted()
  const prelude = [
    ...schemas.map((schema) => `create schema if not exists ${quoteIdentifier(schema)};\n`),
    ...createCollations([...bodies, keys].join('')),
  ].join('')
  return {
    files: {
      'V001__tables.sql': [
        `-- ${count(tables.length)} of the MariaDB database ${from}, with nothing but primary keys.\n` +
          `-- Derived by imhotep split; indexes, foreign keys and checks come behind the rows, in V002__keys.sql.\n`,
        ...(prelude === '' ? [] : [`${prelude.includes('collation') ? collationNote : ''}${prelude}`]),
        ...bodies,
      ].join('\n'),
      'V002__keys.sql':
        `-- Generated columns, indexes, foreign keys and checks for ${count(tables.length)} of the MariaDB database ${from}.\n` +
        `-- Derived by imhotep split. Checks named ..._range hold values to what MariaDB's types hold, so that a way back loses\n` +
        `-- nothing: they may be dropped when there is no way back any more.\n${keys}`,
    },
    leftOut,
    foreignKeys,
  }
}

const collationNote =
  '-- Equal as in MariaDB, whatever the case; but spaces at the end count here. Before PostgreSQL 18 LIKE refuses such\n' +
  '-- columns: write name collate "C" like ...\n'

const count = (tables: number) => (tables === 1 ? '1 table' : `${tables} tables`)

function deriveTables(catalog: SharedCatalog, moved: readonly MovedTable[]): DerivedTable[] {
  const shared = new Map(catalog.tables.map((table) => [tableId(table), table]))
  return moved.map((table) => {
    const found = shared.get(tableId(table.source))
    if (!found) throw new Error(`the catalog has no table ${tableId(table.source)}`)
    return deriveTable(found, table)
  })
}

/** By kind, so that what points to another table comes behind what it points to. */
function printKeys(
  tables: readonly DerivedTable[],
  options: DeriveOptions,
  leftOut: LeftOut[],
  foreignKeys: OwnedForeignKey[],
): string {
  const report = reportTo(leftOut)
  const inside = new Map(tables.map((table) => [tableId(table.shared), table]))
  const relations = new RelationNames(tables)
  const hasEmptyLabel = emptyLabels(options.findings ?? [])
  const made = tables.map((table) => ({ table, constraints: new Names(), ...printGenerated(table, report) }))
  const sections: [title: string, ...statements: string[]][] = [
    ['Generated columns', ...made.map(({ sql }) => sql)],
    [
      'Indexes',
      ...made.map(({ table, columns }) => printIndexes(table, columns, relations.of(table.target.schema), report)),
    ],
    [
      'Foreign keys',
      ...made.map(({ table, columns, constraints }) => {
        const own = foreignKeysOf(table, columns, inside, constraints, report)
        foreignKeys.push(...own)
        return replaceConstraints(
          table,
          own.map((key) => [key.name, foreignKeyDefinition(key)]),
        )
      }),
    ],
    [
      'Checks',
      ...made.map(({ table, columns, constraints }) => printChecks(table, columns, constraints, hasEmptyLabel, report)),
    ],
    [
      'Columns that are set when their row changes',
      ...made.map(({ table, columns }) => printOnUpdate(table, columns, relations.of(table.target.schema), report)),
    ],
  ]
  return sections
    .map(([title, ...statements]) => [title, statements.join('')] as const)
    .filter(([, statements]) => statements !== '')
    .map(([title, statements]) => `\n-- ${title}\n${statements}`)
    .join('')
}

/** Tables, indexes and sequences of a schema share their names. */
class RelationNames {
  readonly #schemas = new Map<string, Names>()
  constructor(tables: readonly DerivedTable[]) {
    for (const schema of new Set(tables.map(({ target }) => target.schema))) {
      const here = tables.filter(({ target }) => target.schema === schema)
      const taken = here.flatMap(({ target: { name }, columns }) => [
        name,
        `${name}_pkey`,
        ...columns.filter(({ shared }) => shared.identity).map((column) => `${name}_${column.name}_seq`),
      ])
      this.#schemas.set(schema, new Names(taken))
    }
  }

  of(schema: string): Names {
    const names = this.#schemas.get(schema) ?? new Names()
    this.#schemas.set(schema, names)
    return names
  }
}

function emptyLabels(findings: readonly TypeFinding[]): HasEmptyLabel {
  const found = new Set(
    findings
      .filter(({ kind }) => kind === 'empty-enum-label')
      .map(({ table, column }) => `${tableId(table)}.${column}`),
  )
  return ({ shared }, { name }) => found.has(`${tableId(shared)}.${name}`)
}

function triggersOf(catalog: SharedCatalog, tables: readonly DerivedTable[]): LeftOut[] {
  const inside = new Set(tables.map(({ shared }) => tableId(shared)))
  return catalog.triggers
    .filter(({ table }) => inside.has(tableId(table)))
    .map(({ name, table }) => ({
      object: `trigger ${name} on ${tableId(table)}`,
      reason: 'its body is in the language of MariaDB',
      wayOut: 'do its work in the service, or write it in PL/pgSQL in the next migration',
    }))
}
