import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dependency, Findings } from '../dependency.ts'
import { dependencyHtml } from './html.ts'
import { dependencyJson, dependencyText } from './text.ts'

const evil = `<script>alert("x'&")</script>`
const findings: Findings = {
  dependencies: [
    dependency({ id: 'a1', object: `shop.${evil}` }),
    dependency({ id: 'a2', object: 'shop.quiet', settled: true }),
    dependency({ id: 'a3', object: 'shop.planned' }),
  ],
  unknown: [
    {
      id: 'u1',
      kind: 'statement',
      object: evil,
      evidence: [evil],
      count: 3,
      lastSeen: null,
      reason: 'the digest is cut',
    },
  ],
  loopCalls: [
    {
      id: 'l1',
      kind: 'call in a loop',
      object: `a.ts: ${evil}`,
      evidence: ['a.ts:7'],
      count: 1,
      lastSeen: null,
      reason: 'asks lab once for each element',
    },
  ],
  looked: { views: 3 },
}
const entry = { id: 'a3', what: 'view', issue: 'i', reason: evil, line: 2 }
const list = { file: 'allow.yaml', entries: [entry, { ...entry, id: 'gone', line: 3 }] }

test('dependencyText: tells the state of everything, what is unknown, stale, and left to do', () => {
  const text = dependencyText(findings, list)

  assert.match(text, /^service {2}what .* way out/)
  assert.match(text, /view shop\.quiet .* billing: bills .* settled$/m)
  assert.match(text, /view shop\.planned .* allowed$/m)
  assert.match(text, /stale: line 3 of the allow-list, gone \(view\) is gone: run with --shrink/)
  assert.match(
    text,
    /^calls in loops:\n {2}call in a loop a\.ts: .*: asks lab once for each element \(a\.ts:7, seen 1\)$/m,
  )
  assert.match(
    text,
    /looked at 3 views\n3 dependencies between services: 1 to solve, 1 allowed, 1 settled by a copy, 0 foreign keys that the split replaces; 1 unknown, 1 calls in loops$/,
  )
})

test('dependencyText: says so when it looked at nothing', () => {
  assert.match(dependencyText({ dependencies: [], unknown: [], loopCalls: [], looked: {} }, null), /looked at nothing/)
})

test('dependencyJson: holds everything and counts what is open', () => {
  const json = dependencyJson(findings, list)

  assert.equal(json.open, 3)
  assert.deepEqual(
    json.dependencies.map(({ state }) => state),
    ['open', 'settled', 'allowed'],
  )
  assert.equal(json.dependencies[0]?.to.table, 'shop.bills')
})

test('dependencyHtml: is one page without scripts or links, everything escaped, with a graph of the services', async () => {
  const html = await dependencyHtml(findings, list, evil)

  assert.doesNotMatch(html, /<script|<link|href=|src=|url\(http/)
  assert.match(html, /&lt;script&gt;alert\(&quot;x&#39;&amp;&quot;\)/)
  assert.match(html, /<title>lab uses billing: 3 dependencies, 1 open<\/title>/)
})

function dependency({ id, object, settled = false }: { id: string; object: string; settled?: boolean }): Dependency {
  return {
    id,
    kind: 'view',
    from: { service: 'lab', object },
    to: { service: 'billing', table: { schema: 'shop', name: 'bills' } },
    writes: false,
    evidence: [`view ${object}`],
    count: 1,
    lastSeen: null,
    wayOut: 'batch call',
    reason: 'it only reads',
    settled,
  }
}
