import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readExample } from '../example.ts'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from './index.ts'

const folder = import.meta.dirname
const read = (id: string, name: string) => readFileSync(join(folder, id, name), 'utf8')

async function lint(text: string) {
  const { sources, applied, serverVersion, marked } = readExample(text)
  const isApplied = applied.size > 0 ? (file: string) => applied.has(file) : undefined
  const report = await lintFiles(sources, {
    rules: lintRules,
    ...(isApplied ? { isApplied } : {}),
    ...(serverVersion === undefined ? {} : { serverVersion }),
  })
  return { ...report, marked }
}

test('lintRules: holds every folder of rules, each with code, bad.sql and good.sql', () => {
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())

  assert.deepEqual(lintRules.map(({ id }) => id).toSorted(), folders.map(({ name }) => name).toSorted())
  for (const { name } of folders)
    assert.deepEqual(readdirSync(join(folder, name)).toSorted(), ['bad.sql', 'good.sql', `${name}.ts`].toSorted())
})

test('lintRules: each says what the mistake does and what to write instead', () => {
  const silent = lintRules.filter(({ effect, instead }) => effect.length < 20 || instead.length < 10)

  assert.deepEqual(silent, [])
})

for (const { id, family } of lintRules) {
  test(`${id}: finds the marked lines of bad.sql, all of them and no other`, async () => {
    const { findings, marked } = await lint(read(id, 'bad.sql'))

    const found = findings.filter(({ rule }) => rule === id).map(({ file, line }) => `${file}:${line}`)
    assert.ok(marked.length > 0, 'no line of bad.sql ends with -- here')
    assert.deepEqual([...new Set(found)].toSorted(), marked.toSorted())
  })

  test(`${id}: is silent about good.sql`, async () => {
    const { findings } = await lint(read(id, 'good.sql'))

    assert.deepEqual(
      findings.filter(({ rule, family: other }) => rule === id || other === 'history'),
      [],
    )
  })

  if (family !== 'history') continue
  test(`${id}: nothing else is wrong with the history of bad.sql`, async () => {
    const { findings } = await lint(read(id, 'bad.sql'))

    const others = findings.filter((finding) => finding.rule !== id && finding.family === 'history')
    assert.deepEqual(others, [])
  })
}
