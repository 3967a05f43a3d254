import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from '../rules/index.ts'
import { lintGithub } from './github.ts'
import { lintGitlab } from './gitlab.ts'
import { lintSarif } from './sarif.ts'
import { excerpts, lintText } from './text.ts'

const sources = [
  { path: 'db/001_a.sql', text: 'create table a (id bigint primary key);' },
  { path: 'db/002_b.sql', text: 'alter table a rename to b;\nalter table a add column note text;' },
]
const { findings: all, texts } = await lintFiles(sources, { rules: lintRules })
const findings = all.filter(({ rule }) => rule === 'used-after-rename')

test('lintText: shows the line, the other end and the way out; repeats of a rule in a file are counted', () => {
  const many = [...Array(8).keys()].flatMap(() => findings)

  const text = lintText(many, excerpts(many, texts), (part) => part).join('\n')

  assert.match(text, /^db\/002_b\.sql:2:13 error used-after-rename: 'public\.a' was renamed: it is 'public\.b' now$/m)
  assert.match(text, /^ {2}2 \| alter table a add column note text;$/m)
  assert.match(text, /^ {2}db\/002_b\.sql:1: renamed here$/m)
  assert.equal(text.match(/instead:/g)?.length, 1)
  assert.match(text, /db\/002_b\.sql: used-after-rename: 3 more$/)
})

test('lintSarif: is SARIF 2.1.0 with the rules that it uses, places and both ends', () => {
  const sarif = lintSarif(findings, lintRules, '1.2.3') as {
    version: string
    runs: { tool: { driver: { rules: { id: string }[] } }; results: Record<string, unknown>[] }[]
  }

  const [run] = sarif.runs
  assert.equal(sarif.version, '2.1.0')
  assert.deepEqual(
    run?.tool.driver.rules.map(({ id }) => id),
    ['used-after-rename'],
  )
  assert.deepEqual(run?.results[0]?.['locations'], [
    { physicalLocation: { artifactLocation: { uri: 'db/002_b.sql' }, region: { startLine: 2, startColumn: 13 } } },
  ])
  assert.equal((run?.results[0]?.['relatedLocations'] as unknown[] | undefined)?.length, 1)
})

test('lintGithub: one workflow command a finding, its text escaped', () => {
  const [finding] = findings
  assert.ok(finding)

  const lines = lintGithub([{ ...finding, message: '100 %\nsure' }])

  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^::error file=db\/002_b\.sql,line=2,col=13,title=used-after-rename::100 %25%0Asure/)
})

test('lintGitlab: fingerprints stay when lines move and differ for repeats', () => {
  const moved = findings.map((finding) => ({ ...finding, line: 99 }))
  const prints = (list: object[]) => list.map((issue) => (issue as { fingerprint: string }).fingerprint)

  const [before, after, twice] = [findings, moved, [...findings, ...findings]].map((list) => prints(lintGitlab(list)))

  assert.deepEqual(before, after)
  assert.equal(new Set(twice).size, 2)
})
