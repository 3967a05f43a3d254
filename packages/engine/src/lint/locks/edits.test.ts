import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { applyEdits } from '../apply-edits.ts'
import { readExample } from '../example.ts'
import { lintFiles, type LintReport } from '../lint-files.ts'
import type { LintSource } from '../read-files.ts'
import { lintRules } from '../rules/index.ts'

const WITH_EDITS = [
  'check-not-valid',
  'detach-not-concurrent',
  'domain-check-not-valid',
  'drop-index-not-concurrent',
  'foreign-key-not-valid',
  'index-not-concurrent',
  'refresh-not-concurrent',
  'reindex-not-concurrent',
]

for (const rule of lintRules.filter(({ id }) => WITH_EDITS.includes(id))) {
  test(`${rule.id}: its changes of bad.sql parse, and what they mend is not found again`, async () => {
    const { sources, applied } = readExample(
      readFileSync(join(import.meta.dirname, '../rules', rule.id, 'bad.sql'), 'utf8'),
    )
    const lint = (files: readonly LintSource[]) =>
      lintFiles(files, { rules: [rule], isApplied: (file) => applied.has(file) })

    const before = await lint(sources)
    const mended = await lint(sources.map((source) => mend(source, before)))

    const made = [...before.edits.values()].flat().length
    assert.ok(made > 0)
    assert.equal(mended.findings.length, before.findings.length - made)
    assert.deepEqual([...mended.edits.values()].flat(), [])
  })
}

function mend({ path, text }: LintSource, { edits }: LintReport): LintSource {
  return { path, text: applyEdits(text, edits.get(path) ?? []).text }
}
