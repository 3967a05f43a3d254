import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import fc from 'fast-check'
import { emptyDatabase } from '../../../../../tests/support/database.ts'
import { mariadbDatabase, needsMariadb } from '../../../../../tests/support/mariadb.ts'
import { mapTables } from '../../types/map-tables.ts'
import { readTables } from '../catalog.ts'
import { openSession } from '../session.ts'
import { deriveTable } from './derived-table.ts'
import { UntranslatableError } from './parse-expression.ts'
import { columnType } from './print-table.ts'
import { translateGenerated } from './translate-expression.ts'

const columns = `n int, m smallint, p decimal(8,2), q decimal(6,3), s varchar(20) collate utf8mb4_bin,
  e enum('open','it''s'), b tinyint(1), d date, t datetime(3)`
const rows = [
  `1, 2, 1.50, -0.125, 'abc', 'open', 1, '2024-02-29', '2026-01-02 03:04:05.678'`,
  `-7, 3, -10.01, 2.5, ' x ', 'it''s', 0, '1999-12-31', '1970-01-01 00:00:00'`,
  `0, 0, 0, 0, '', 'open', 1, '2001-01-01', '2000-02-29 23:59:59.999'`,
  `13, -4, 99999.99, 999.999, 'مرحبا', 'it''s', 0, '2024-10-10', '2024-10-10 10:10:10'`,
  `null, null, null, null, null, null, null, null, null`,
  `5, null, 0.35, null, 'ABC', 'open', null, null, '2024-01-01 00:00:00'`,
]

const { number, condition, text } = fc.letrec<{ number: string; condition: string; text: string }>((tie) => {
  const [n, c, t] = [tie('number'), tie('condition'), tie('text')]
  const op = (...operators: string[]) => fc.constantFrom(...operators)
  return {
    number: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'size' },
      fc.constantFrom(
        'n',
        'm',
        'p',
        'q',
        '2',
        '0',
        '-3',
        '1.25',
        'char_length(s)',
        'year(d)',
        'month(t)',
        'dayofmonth(d)',
      ),
      fc.tuple(n, op('+', '-', '*', '/'), n).map(([a, o, b]) => `(${a} ${o} ${b})`),
      fc.tuple(op('n', 'm', '7'), op('div', 'mod', '%'), op('m', 'n', '3')).map((parts) => `(${parts.join(' ')})`),
      fc.tuple(op('abs', 'floor', 'ceiling', 'round', '-'), n).map(([f, a]) => `${f}(${a})`),
      fc.tuple(n, n).map(([a, b]) => `ifnull(${a}, ${b})`),
      fc.tuple(c, n, n).map(([a, x, y]) => `if(${a}, ${x}, ${y})`),
      fc.tuple(c, n).map(([a, x]) => `case when ${a} then ${x} end`),
    ),
    condition: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'size' },
      fc.constantFrom(
        'b',
        'b = 1',
        `e = 'open'`,
        `s <> 'abc'`,
        's is null',
        `d >= '2001-01-01'`,
        `t < d`,
        `e in ('open', 'it''s')`,
      ),
      fc.tuple(n, op('<', '>', '=', '<>', '<=', '<=>'), n).map((parts) => `(${parts.join(' ')})`),
      fc.tuple(c, op('and', 'or', 'xor'), c).map((parts) => `(${parts.join(' ')})`),
      c.map((a) => `(not ${a})`),
      fc.tuple(n, n, n).map(([a, x, y]) => `(${a} not between ${x} and ${y})`),
      fc.tuple(n, n, n).map(([a, x, y]) => `(${a} in (${x}, ${y}))`),
      n.map((a) => `(${a} is not null)`),
    ),
    text: fc.oneof(
      { maxDepth: 2, depthIdentifier: 'size' },
      fc.constantFrom('s', 'e', `'x'`, 'substr(s, 2, 2)', 'left(s, 1)'),
      fc.tuple(t, fc.oneof(t, op('n', 'm', 'p'))).map(([a, b]) => `concat(${a}, '-', ${b})`),
      fc.tuple(op('ucase', 'lower', 'trim', 'rtrim'), t).map(([f, a]) => `${f}(${a})`),
      fc.tuple(c, t, t).map(([a, x, y]) => `if(${a}, ${x}, ${y})`),
    ),
  }
})

const generated = fc.oneof(
  fc.tuple(fc.constantFrom('decimal(40,6)', 'bigint'), number),
  fc.tuple(fc.constant('tinyint(1)'), condition),
  fc.tuple(fc.constant('varchar(200)'), text),
)

void test('translateGenerated: PostgreSQL computes what MariaDB does', { skip: needsMariadb }, async () => {
  await using source = await mariadbDatabase()
  await using target = await emptyDatabase()
  const maria = await openSession(source.url)
  const db = connect(target.url)
  const seen = { compared: 0, refused: 0 }
  try {
    await fc.assert(
      fc.asyncProperty(generated, async ([type, expression]) => {
        await maria.run('drop table if exists things')
        const made = `create table things (id int auto_increment primary key, ${columns}, made ${type} as (${expression}) virtual)`
        // what MariaDB refuses, or finds too long, is no matter of ours
        const isAccepted = await maria.run(made).then(
          () => true,
          () => false,
        )
        if (!isAccepted) return
        const [table] = await readTables(maria, source.name)
        const mapped = mapTables(table ? [table] : [], { facts: () => ({ rows: 0, columns: new Map() }) })
        assert.ok(table && mapped.tables[0])
        const derived = deriveTable(table, mapped.tables[0])
        const column = derived.columns.find(({ name }) => name === 'made')
        assert.ok(column)
        let sql: string
        try {
          sql = translateGenerated(column, derived.columns)
        } catch (error) {
          assert.ok(error instanceof UntranslatableError)
          seen.refused++
          return
        }
        const stored = derived.columns.filter(({ name }) => name !== 'made').map(columnType)
        await db.query('drop table if exists things')
        await db.query(
          `create table things (${stored.join(', ')}, ${columnType(column)} generated always as (${sql}) stored)`,
        )
        const names = 'id, n, m, p, q, s, e, b, d, t'
        for (const [at, row] of rows.entries()) {
          await maria.run(`insert into things (${names}) values (${at + 1}, ${row})`)
          const here = row.replace(
            /, ([01]|null), ('\d|null)/,
            (_, flag, next) => `, ${flag === 'null' ? 'null' : flag === '1'}, ${next}`,
          )
          await db.query(`insert into things (${names}) values (${at + 1}, ${here})`)
        }

        const there = await maria.rows(`select made from things order by id`)
        const cast = column.targetType === 'boolean' ? 'made::int::text' : 'made::text'
        const found = await db.query<{ made: string | null }>(`select ${cast} as made from things order by id`)

        assert.deepEqual(
          found.map(({ made: value }) => value),
          there.map(([value]) => value),
          `${expression}\n${table.columns.at(-1)?.generated}\n${sql}`,
        )
        seen.compared++
      }),
      { numRuns: 500 },
    )
  } finally {
    await maria.close()
    await db.close()
  }
  assert.ok(seen.compared > 250, JSON.stringify(seen))
})
