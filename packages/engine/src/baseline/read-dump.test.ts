import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DataSink } from './dump.ts'
import { DumpEncodingError, DumpSyntaxError, NotADumpError, TruncatedDumpError } from './errors.ts'
import { foldDump } from './fold-dump.ts'
import { readDump } from './read-dump.ts'

const fixture = new URL('./workshop-dump.fixture.txt', import.meta.url)
const text = readFileSync(fixture, 'utf8')
const directory = mkdtempSync(join(tmpdir(), 'imhotep-dump-'))
after(() => rmSync(directory, { recursive: true }))

let files = 0
function fileOf(content: string | Buffer): string {
  const file = join(directory, `${files++}.sql`)
  writeFileSync(file, content)
  return file
}

test('readDump: keeps what defines the schema, counts rows, drops what belongs to the session', async () => {
  const dump = await readDump(fixture.pathname)

  assert.equal(dump.serverVersion, '17.5')
  assert.deepEqual(dump.data, [
    { name: 'shop.mechanics', rows: 2 },
    { name: 'shop.jobs', rows: 1 },
    { name: 'shop.readings_2026', rows: 2 },
  ])
  assert.equal(dump.sequenceValues.length, 2)
  assert.match(dump.text, /-- a body may hold anything: COPY shop.jobs FROM stdin; and \\connect/)
  assert.doesNotMatch(dump.text, /restrict|transaction_timeout|INSERT|Bo/)
})

test('readDump: knows the line of the export for a line of the text', async () => {
  const dump = await readDump(fixture.pathname)
  const at = dump.text.split('\n').indexOf('CREATE TABLE shop.jobs (') + 1

  const line = dump.lineOf(at)

  assert.equal(text.split('\n')[line - 1], 'CREATE TABLE shop.jobs (')
})

test('readDump: line ends of Windows and a byte order mark make no difference', async () => {
  const file = fileOf(`\ufeff${text.replaceAll('\n', '\r\n')}`)

  const dump = await readDump(file)

  assert.equal(dump.text, (await readDump(fixture.pathname)).text)
  assert.deepEqual(dump.data, (await readDump(fixture.pathname)).data)
})

test('readDump: hands rows on as they stand, an insert of several lines whole', async () => {
  const file = fileOf(`${START}INSERT INTO a.b VALUES (1, 'x;\n--y');\nCOPY a."c d" (e) FROM stdin;\n1\n\\.\n${END}`)
  const seen: string[] = []
  const data: DataSink = {
    insertLine: (line, ends) => void seen.push(`${line}${ends ? ' END' : ''}`),
    copyStart: (target) => void seen.push(`copy ${target}`),
    copyRow: (line) => void seen.push(`row ${line}`),
    copyEnd: () => void seen.push('end'),
  }

  const dump = await readDump(file, { data })

  assert.deepEqual(seen, [`INSERT INTO a.b VALUES (1, 'x;`, `--y'); END`, 'copy a."c d" (e)', 'row 1', 'end'])
  assert.deepEqual(dump.data, [
    { name: 'a.b', rows: 1 },
    { name: 'a."c d"', rows: 1 },
  ])
})

test('readDump: what belongs to the server, to psql or to another tablespace is left out and listed', async () => {
  const lines = [
    `CREATE DATABASE x WITH ENCODING = 'UTF8';`,
    '\\connect x',
    '\\set ON_ERROR_STOP on',
    `SET default_tablespace = 'fast';`,
    `SELECT pg_catalog.lo_create('1');`,
  ]

  const dump = await readDump(fileOf(`${START}${lines.join('\n')}\n${END}`))

  assert.deepEqual(
    dump.leftOut.map(({ line, reason }) => [line, reason.split(':')[0]]),
    [
      [3, 'about the database itself'],
      [5, 'a command of psql'],
      [6, 'a tablespace'],
      [7, 'a large object'],
    ],
  )
})

test('readDump: what a text or a quoted name mentions does not leave a statement out', async () => {
  const kept = [
    `COMMENT ON TABLE t IS 'see ON LARGE OBJECT x';`,
    `SECURITY LABEL FOR anon ON COLUMN t.a IS 'MASKED ON DATABASE x';`,
    `SECURITY LABEL ON TABLE t IS 'ON SUBSCRIPTION x';`,
    `ALTER ROLE r SET application_name TO 'x IN DATABASE y';`,
    `GRANT SELECT ON TABLE "a ON DATABASE b" TO r;`,
  ]
  const leftOut = [
    `COMMENT ON LARGE OBJECT 1 IS 'x';`,
    `GRANT ALL ON LARGE OBJECT 1 TO r;`,
    `SECURITY LABEL FOR "my own" ON LARGE OBJECT 1 IS 'x';`,
    `REVOKE CONNECT,TEMPORARY ON DATABASE d FROM PUBLIC;`,
    `SECURITY LABEL FOR anon ON DATABASE d IS 'x';`,
    `ALTER ROLE r IN DATABASE d SET work_mem TO '1MB';`,
    `SECURITY LABEL ON SUBSCRIPTION s IS 'x';`,
  ]

  const dump = await readDump(fileOf([...kept, ...leftOut, ''].join('\n')))

  assert.equal(dump.text, `${kept.join('\n')}\n`)
  assert.deepEqual(
    dump.leftOut.map(({ statement }) => statement),
    leftOut,
  )
})

test('readDump: other formats are refused with the way to convert them', async () => {
  const refused: [content: string | Buffer, expected: RegExp][] = [
    [Buffer.from('PGDMP\x01\x0e\x00'), /pg_restore -f/],
    [Buffer.from([0x1f, 0x8b, 8, 0]), /gzip -dc/],
    ['', /pg_dump --schema-only/],
    [`${START}\\connect a\n\\connect b\n${END}`, /one database at a time/],
  ]

  for (const [content, expected] of refused) {
    const reading = readDump(fileOf(content))

    await assert.rejects(reading, (error) => error instanceof NotADumpError && expected.test(error.hint ?? ''))
  }
  await assert.rejects(readDump(join(directory, 'nothing.sql')), NotADumpError)
})

test('readDump: an export in another encoding is refused', async () => {
  const refused: [content: string | Buffer, expected: RegExp][] = [
    [Buffer.from(`\ufeff${text}`, 'utf16le'), /UTF-16/],
    [`${START}SET client_encoding = 'LATIN1';\n${END}`, /LATIN1/],
    [Buffer.concat([Buffer.from(START), Buffer.from([0x2d, 0x2d, 0xe9, 0x0a])]), /another encoding/],
  ]

  for (const [content, expected] of refused) {
    const reading = readDump(fileOf(content))

    await assert.rejects(reading, (error) => error instanceof DumpEncodingError && expected.test(error.message))
  }
})

test('foldDump: a name that has become a keyword is told with its line of the export and the way out', async () => {
  const file = fileOf(`${START}COPY a (b) FROM stdin;\n1\n2\n\\.\nCREATE TABLE system_user (id integer);\n${END}`)

  const folding = foldDump(await readDump(file))

  await assert.rejects(folding, (error) => {
    assert.ok(error instanceof DumpSyntaxError)
    assert.equal(error.message, `${file}:7: syntax error at or near "system_user"`)
    return /--quote-all-identifiers/.test(error.hint ?? '')
  })
})

test('readDump: wherever an export is cut off between its first statement and its end, that is noticed', async () => {
  const first = text.indexOf('CREATE SCHEMA')
  const last = text.indexOf('-- PostgreSQL database dump complete')
  const cuts = Array.from({ length: 40 }, (_, n) => first + Math.floor(((last - first) * n) / 40))

  for (const cut of cuts) {
    const reading = readDump(fileOf(text.slice(0, cut)))

    await assert.rejects(reading, TruncatedDumpError, `cut at ${cut}`)
  }
})

const START = '--\n-- PostgreSQL database dump\n'
const END = '-- PostgreSQL database dump complete\n'
