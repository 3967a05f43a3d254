import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import prettier from 'prettier'
import type { Decision } from './decision.ts'
import { tablesOf } from './table-sizes.ts'
import { decisionFile, nextNumber, writeDecision } from './write-decision.ts'

const diff: Decision = {
  number: '0015',
  title: 'Lines know their order',
  status: 'accepted',
  facts: {
    kind: 'diff',
    left: 'migrations',
    right: 'modules',
    statements: [
      {
        sql: 'alter table shop.lines add column position int',
        object: 'column shop.lines.position',
        hazard: null,
        reason: null,
      },
      {
        sql: 'alter table shop.lines drop column note',
        object: 'column shop.lines.note',
        hazard: 'data loss',
        reason: 'its values go',
      },
    ],
    tables: [{ table: 'shop.lines', rows: 1_200_000, bytes: 300 * 1024 ** 2 }],
  },
}

const finding: Decision = {
  number: '0016',
  title: 'The index waits',
  status: 'proposed',
  facts: {
    kind: 'finding',
    finding: {
      rule: 'index-not-concurrent',
      family: 'locks',
      severity: 'error',
      file: 'db/V007__x.sql',
      line: 3,
      column: 1,
      object: 'shop.lines',
      message: "writers of 'shop.lines' wait",
      related: [{ file: 'db/V001__a.sql', line: 12, message: 'the table is created here' }],
      help: 'Create it concurrently.',
      fix: 'create index concurrently i on shop.lines (a)',
    },
    effect: 'Writers wait while the index is built.',
    excerpt: '3 | create index i on shop.lines (a);',
    tables: [],
  },
}

test('writeDecision: fills a record of a change from its statements, hazards and tables', () => {
  assert.equal(
    writeDecision(diff),
    `# 0015: Lines know their order

Status: accepted

## Context

\`modules\` differs from \`migrations\` in 2 objects:

- \`column shop.lines.position\`
- \`column shop.lines.note\`

| table        | rows            | size   |
| ------------ | --------------- | ------ |
| \`shop.lines\` | about 1,200,000 | 300 MB |

## Decision

2 statements, in this order:

\`\`\`sql
alter table shop.lines add column position int;
alter table shop.lines drop column note;
\`\`\`

## Consequences

| hazard    | object                   | why           |
| --------- | ------------------------ | ------------- |
| data loss | \`column shop.lines.note\` | its values go |

1 statement without a hazard.
`,
  )
})

test('writeDecision: fills a record of a finding from its effect, both ends and both ways out', () => {
  const text = writeDecision(finding)

  for (const fact of [
    '`db/V007__x.sql:3`',
    '`db/V001__a.sql:12`: the table is created here',
    'create index concurrently i on shop.lines (a)',
    '-- imhotep:ignore index-not-concurrent decision 0016',
    'writers wait while the index is built.',
  ])
    assert.ok(text.includes(fact), fact)
})

test('writeDecision: is formatted as this repository formats its documents', async () => {
  const config = await prettier.resolveConfig(fileURLToPath(import.meta.url))

  for (const decision of [diff, finding, { ...diff, facts: null }]) {
    const text = writeDecision(decision)
    assert.equal(await prettier.format(text, { ...config, parser: 'markdown' }), text)
  }
})

test('writeDecision: counts what is too long to be read, and names the command that prints it', () => {
  const statements = Array.from({ length: 500 }, (_, n) => ({
    sql: `drop table shop.t${n}`,
    object: `${n % 2 === 0 ? 'table' : 'materialized view'} shop.t${n}`,
    hazard: 'data loss',
    reason: 'its rows go',
  }))

  const text = writeDecision({ ...diff, facts: { kind: 'diff', left: 'a', right: 'b', statements, tables: [] } })

  assert.ok(text.split('\n').length <= 40)
  for (const fact of ['table: 250', '`imhotep diff a b --sql`', '488 statements more with a hazard'])
    assert.ok(text.includes(fact), fact)
})

test('decisionFile, nextNumber: name the file behind those that are there', () => {
  assert.equal(
    decisionFile({ number: '0003', title: 'Text & CHECK, against “enums” é' }),
    '0003-text-check-against-enums-e.md',
  )
  assert.equal(nextNumber([]), '0001')
  assert.equal(nextNumber(['0009-a.md', '0014-b.md', 'README.md', '99999.md']), '0015')
})

test('decisionFile: is a file name whatever the title is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (title) => {
      assert.match(decisionFile({ number: '0001', title }), /^0001-[a-z0-9]+(-[a-z0-9]+)*\.md$/)
    }),
  )
})

test('tablesOf: finds the table in the name of an object', () => {
  const objects = [
    'table a.b',
    'column a.b.c',
    'index i on a.d',
    'a.e',
    'a.f.g',
    'materialized view a.h',
    'session',
    'role x',
  ]

  assert.deepEqual(tablesOf(objects), ['a.b', 'a.d', 'a.e', 'a.f', 'a.h'])
})
