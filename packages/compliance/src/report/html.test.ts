import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportOf } from '../inspection.fixture.ts'
import { complianceHtml } from './html.ts'

test('complianceHtml: has a row for the rule with verdict and evidence, and the counts of its family', () => {
  const page = complianceHtml(reportOf({}))

  assert.match(page, /<tr><td>COR-01<td>H8<td>.*<td class="pass">pass<td>3 tenant tables/)
  assert.match(page, /<a href="#foundation">Foundation<\/a><td class="n">1<td class="n">1<td class="n">0/)
})

test('complianceHtml: shows what is written in a name or in evidence, and runs none of it', () => {
  const page = complianceHtml(
    reportOf({
      verdict: 'fail',
      rule: 'a < b & "c"',
      evidence: '<script>alert(1)</script>',
      offenders: ['<img src=x onerror=alert(1)>'],
    }),
  )

  assert.match(page, /a &lt; b &amp; &quot;c&quot;/)
  assert.match(page, /&lt;script&gt;alert\(1\)&lt;\/script&gt;<ul><li>&lt;img src=x onerror=alert\(1\)&gt;<\/ul>/)
  assert.doesNotMatch(page, /<script|<img/)
})

test('complianceHtml: needs nothing from outside', () => {
  assert.doesNotMatch(complianceHtml(reportOf({})), /https?:|src=|<link|@import/)
})

test('complianceHtml: a verdict of several words is one class', () => {
  assert.match(complianceHtml(reportOf({ verdict: 'needs a person' })), /<td class="needs-a-person">needs a person/)
})

test('complianceHtml: says that clauses must be confirmed, for families that need it', () => {
  assert.match(complianceHtml(reportOf({ family: 'hipaa' })), /a person who has it must confirm them/)
  assert.doesNotMatch(complianceHtml(reportOf({})), /must confirm/)
})
