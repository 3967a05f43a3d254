import type { SharedColumn, SharedTable, TableName } from '../model.ts'
import type { ColumnFacts, TableFacts } from '../types/facts.ts'
import { jsonbText } from '../types/jsonb-text.ts'
import { parseSourceType, typeFamily } from '../types/source-type.ts'
import { isZeroDate } from './expressions.ts'
import { openSession, type Session } from './session.ts'
import { quoteName, quoteTable } from './sql-text.ts'

type Count = readonly [column: string, fact: keyof ColumnFacts, condition: string]

/** Looks at the rows of tables, one scan each. Give it to `mapTables` as `facts: (table) => facts.get(table)`. */
export async function probeTables(
  url: string,
  tables: readonly SharedTable[],
): Promise<ReadonlyMap<SharedTable, TableFacts>> {
  const session = await openSession(url)
  try {
    const facts = new Map<SharedTable, TableFacts>()
    for (const table of tables) facts.set(table, await probeTable(session, table))
    return facts
  } finally {
    await session.close()
  }
}

/** Counts in one scan what decides types or would be lost; JSON is read in a second one, here. */
export async function probeTable(session: Session, table: SharedTable): Promise<TableFacts> {
  const stored = table.columns.filter(({ generated }) => generated === null)
  const counts = stored.flatMap(countsOf)
  const sums = counts.map(([, , condition]) => `ifnull(sum(${condition}), 0)`)
  const [row] = await session.rows(`select ${['count(*)', ...sums].join(', ')} from ${quoteTable(table)}`)
  const columns = new Map<string, ColumnFacts>()
  const add = (column: string, facts: ColumnFacts) => columns.set(column, { ...columns.get(column), ...facts })
  counts.forEach(([column, fact], at) => {
    const found = Number(row?.[at + 1])
    if (found > 0) add(column, { [fact]: found })
  })
  for (const column of stored.filter(({ type }) => type === 'json')) {
    const facts = await probeJson(session, table, column)
    if (facts) add(column.name, facts)
  }
  return { rows: Number(row?.[0]), columns }
}

/** Rows beyond the first of each value of what shall be a key. */
export async function countRowsOfSameKey(session: Session, table: TableName, key: readonly string[]): Promise<number> {
  const columns = key.map(quoteName).join(', ')
  const [row] = await session.rows(
    `select ifnull(sum(same - 1), 0) from (select count(*) as same from ${quoteTable(table)} group by ${columns}) as keys_`,
  )
  return Number(row?.[0])
}

function countsOf(column: SharedColumn): Count[] {
  const type = parseSourceType(column.type)
  const sql = quoteName(column.name)
  const count = (fact: keyof ColumnFacts, condition: string): Count => [column.name, fact, condition]
  switch (typeFamily(type)) {
    case 'integer':
      if (type.base === 'tinyint' && type.numbers[0] === 1) return [count('notBoolean', `${sql} not in (0, 1)`)]
      return type.base === 'bigint' && type.unsigned ? [count('aboveBigint', `${sql} > 9223372036854775807`)] : []
    case 'bit':
      return type.numbers[0] === 64 ? [count('aboveBigint', `${sql} + 0 > 9223372036854775807`)] : []
    case 'time':
      return [count('outsideDay', `${sql} < '00:00:00' or ${sql} > '24:00:00'`)]
    case 'date':
    case 'datetime':
    case 'timestamp':
      return [count('zeroDates', isZeroDate(sql))]
    case 'enum':
      return [count('emptyLabels', `${sql} + 0 = 0`)]
    case 'text':
      return [count('nulCharacters', `locate(char(0), ${sql}) > 0`)]
    default:
      return []
  }
}

async function probeJson(session: Session, table: SharedTable, column: SharedColumn): Promise<ColumnFacts | null> {
  const findings = { duplicateKeys: 0, refusedTexts: 0 }
  await session.stream(`select ${quoteName(column.name)} from ${quoteTable(table)}`, ([text]) => {
    if (text) jsonbText(text.toString(), findings)
  })
  return findings.duplicateKeys + findings.refusedTexts > 0 ? findings : null
}
