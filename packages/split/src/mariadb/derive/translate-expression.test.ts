import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedColumn } from '../../model.ts'
import { sharedColumn, sharedTable } from '../../map/owner-map.fixture.ts'
import { mapTables } from '../../types/map-tables.ts'
import { columnDefault } from './column-default.ts'
import { deriveTable, type DerivedColumn } from './derived-table.ts'
import { UntranslatableError } from './parse-expression.ts'
import { translateCheck, translateGenerated } from './translate-expression.ts'

const types: Readonly<Record<string, string>> = {
  n: 'int(11)',
  big: 'bigint(20)',
  price: 'decimal(10,2)',
  weight: 'double',
  on: 'tinyint(1)',
  code: 'varchar(20)',
  exact: 'varchar(20)',
  state: `enum('open','Done')`,
  born: 'date',
  at: 'datetime(3)',
  stamp: 'timestamp',
}

const collations: Readonly<Record<string, string>> = { code: 'utf8mb4_general_ci', exact: 'utf8mb4_bin' }

function columnsOf(more: readonly SharedColumn[] = []): readonly DerivedColumn[] {
  const columns = Object.entries(types).map(([name, type]) => ({
    ...sharedColumn(name, true),
    type,
    collation: collations[name] ?? null,
  }))
  const table = sharedTable('things', { columns: [...columns, ...more], primaryKey: [] })
  const { tables } = mapTables([table], { facts: () => ({ rows: 0, columns: new Map() }) })
  assert.ok(tables[0])
  return deriveTable(table, tables[0]).columns
}

function generated(type: string, expression: string): string {
  const column = { ...sharedColumn('made', true), type, generated: expression }
  const columns = columnsOf([column])
  return translateGenerated(columns.find(({ name }) => name === 'made') as DerivedColumn, columns)
}

function defaultOf(type: string, text: string, zeroDate?: DerivedColumn['zeroDate']): string | null {
  const column = { ...sharedColumn('made', true), type, default: text }
  const found = columnsOf([column]).find(({ name }) => name === 'made') as DerivedColumn
  return columnDefault({ ...found, zeroDate })
}

void test('translateCheck: conditions come to the same on PostgreSQL', () => {
  const cases: Readonly<Record<string, string>> = {
    '`n` > 0 and `n` <> 13 or `price` is null': 'n > 0 and n <> 13 or price is null',
    '(`n` > 0 or `n` < -5) and !(`on` <=> 1)': '(n > 0 or n < -5) and not "on" is not distinct from true',
    '`on` = 1': '"on" = true',
    '`on` + `n` < 3': '"on"::bigint + n < 3',
    '`n`': 'n <> 0',
    [`\`code\` in ('A','it\\'s')`]: `code collate public.mariadb_ai_ci in ('A', 'it''s')`,
    [`\`exact\` <> 'a'`]: `exact <> 'a'`,
    [`\`state\` not in ('open','Done')`]: `state not in ('open', 'Done')`,
    [`\`born\` between '1900-01-01' and \`at\``]: `born between '1900-01-01' and at`,
    'char_length(`code`) >= 3 xor `n` is not null': '(char_length(code) >= 3) <> (n is not null)',
  }

  for (const [expression, sql] of Object.entries(cases)) {
    assert.equal(translateCheck(expression, columnsOf()), sql, expression)
  }
})

void test('translateCheck: what would mean something else is refused', () => {
  for (const expression of [
    `\`code\` like 'a%'`,
    `\`code\` < 'b'`,
    `\`state\` = 'done'`,
    `\`n\` = '1'`,
    `\`born\` > '0000-00-00'`,
    `\`stamp\` > '2020-01-01'`,
    'json_valid(`code`)',
    '`code` regexp "x"',
    `\`at\` + interval 1 day > \`at\``,
    `_utf8mb4'x' = \`code\``,
    '`missing` > 1',
    '`n` > 1 )',
    '(`n` > 1',
    '',
  ]) {
    assert.throws(() => translateCheck(expression, columnsOf()), UntranslatableError, expression)
  }
})

void test('translateGenerated: numbers are calculated as wide as MariaDB does, and divided the same', () => {
  assert.equal(generated('bigint', '`n` * `n`'), 'n::bigint * n')
  assert.equal(generated('bigint', '`big` * (`n` + 1)'), 'big * (n::bigint + 1)')
  assert.equal(generated('decimal(12,4)', '`price` / `n`'), 'div(price * 1e9, nullif(n, 0)) * 1e-9')
  assert.equal(generated('decimal(12,4)', '`n` / 4'), 'div(n * 1e9, 4) * 1e-9')
  assert.equal(generated('int', '`n` DIV 2 - - `n` MOD `n`'), 'n::bigint / 2 - mod((-n)::bigint, nullif(n, 0))')
  assert.equal(generated('double', '`weight` / (`price` * 2)'), 'weight / nullif(price * 2, 0)')
  assert.equal(
    generated('varchar(40)', "concat(ucase(`code`),'-',`n`)"),
    `upper(code collate "und-x-icu") || '-' || n::text`,
  )
  assert.equal(
    generated('int', "case `state` when 'open' then 1 else if(`n` > 2,`n`,ifnull(`big`,0)) end"),
    `case when state = 'open' then 1 else case when n > 2 then n else coalesce(big, 0) end end`,
  )
  assert.throws(() => generated('decimal(10,2)', '`weight` * 2'), UntranslatableError)
  assert.throws(() => generated('varchar(40)', 'concat(`born`)'), UntranslatableError)
  assert.throws(() => generated('tinyint(1)', '`n` + 1'), UntranslatableError)
})

void test('columnDefault: defaults become values of the type', () => {
  for (const [type, text, sql] of [
    ['int(5) unsigned zerofill', '00015', '15'],
    ['int(11)', '-5', '-5'],
    ['decimal(4,2)', '1.50', '1.50'],
    ['double', '1500', '1500'],
    ['tinyint(1)', '1', 'true'],
    ['bit(1)', `b'0'`, 'false'],
    ['bit(6)', `b'000101'`, '5'],
    ['varchar(40)', String.raw`'it''s \\ a\nb'`, `'it''s \\ a\nb'`],
    ['set("a","b c")'.replaceAll('"', "'"), `'a,b c'`, `'{a,"b c"}'`],
    ["set('a')", `''`, `'{}'`],
    [`enum('x','Y')`, `'y'`, `'Y'`],
    ['blob', `'abc'`, String.raw`'\x616263'`],
    ['uuid', 'uuid()', 'gen_random_uuid()'],
    ['char(36)', 'uuid()', 'gen_random_uuid()::text'],
    ['datetime(6)', 'current_timestamp(6)', 'statement_timestamp()'],
    ['timestamp', `'2020-01-02 03:04:05'`, `'2020-01-02 03:04:05+00'`],
    ['int(11)', '(1 + 2 * 3)', '(1::bigint + 2::bigint * 3)'],
    ['int(11)', 'NULL', null],
  ] as const) {
    assert.equal(defaultOf(type, text), sql, `${type} ${text}`)
  }
  assert.equal(defaultOf('date', `'0000-00-00'`, { sentinel: '1900-01-01' }), `'1900-01-01'`)
  assert.equal(defaultOf('date', `'0000-00-00'`, 'null'), null)
  assert.throws(() => defaultOf('date', `'0000-00-00'`), UntranslatableError)
  assert.throws(() => defaultOf('int(11)', '(rand() * 10)'), UntranslatableError)
  assert.throws(() => defaultOf('varchar(9)', 'plain'), UntranslatableError)
})
