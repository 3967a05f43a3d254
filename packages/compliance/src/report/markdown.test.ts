import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportOf } from '../inspection.fixture.ts'
import { complianceMarkdown } from './markdown.ts'

test('complianceMarkdown: says when it ran, on which schema, and counts by family', () => {
  const text = complianceMarkdown(reportOf({}))

  assert.match(text, /Ran at 2026-02-03T04:05:06\.000Z, 1 rules, schema abcdef0123456789\./)
  assert.match(text, /^\| Foundation \| 1 \| 1 \| 0 \| 0 \| 0 \|$/m)
  assert.match(
    text,
    /^\| COR-01 \| H8 \| every tenant table has tenant_id \| catalogue \| pass \| 3 tenant tables \|$/m,
  )
})

test('complianceMarkdown: leaves out families that did not run', () => {
  assert.doesNotMatch(complianceMarkdown(reportOf({})), /HIPAA/)
})

test('complianceMarkdown: bars and line breaks do not break the table', () => {
  const text = complianceMarkdown(reportOf({ verdict: 'fail', evidence: 'a | b\nc', offenders: ['x|y'] }))

  assert.match(text, /\| fail \| a \\\| b c: x\\\|y \|$/m)
})

test('complianceMarkdown: lists twenty offenders and counts the others', () => {
  const offenders = Array.from({ length: 23 }, (_, n) => `a.t${n}`)

  const text = complianceMarkdown(reportOf({ verdict: 'fail', offenders }))

  assert.match(text, /: a\.t0; .*a\.t19 and 3 more \|$/m)
})

test('complianceMarkdown: says that clauses must be confirmed, for families that need it', () => {
  assert.match(complianceMarkdown(reportOf({ family: 'hipaa' })), /a person who has it must confirm them/)
  assert.doesNotMatch(complianceMarkdown(reportOf({})), /must confirm/)
})
