import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusPage } from '../status/status-page.ts'
import { guidePage } from '../test-guide/guide-page.ts'

test('statusPage: escapes everything, has both colour schemes and nothing from the network', async () => {
  const evil = `<script>alert("x")</script>`
  const page = await statusPage({
    source: evil,
    at: new Date(0),
    services: [
      {
        service: evil,
        database: evil,
        state: 'mapped',
        serves: 'shared',
        tables: 1,
        since: new Date(0),
        verified: null,
        gapMs: null,
        crossingKeys: 0,
        queriesAcross: 0,
        lag: null,
        isolation: { canEnter: [evil], isolated: false },
        deployment: { ownUser: false, migrations: 'none', independent: false },
      },
    ],
    servicesWithOwnDatabase: 0,
    sharedTables: 1,
    crossingKeys: 0,
    queriesAcross: { open: 0, allowed: 0, unknown: 0 },
    verifiedShare: 0,
    isolatedServices: 0,
    independentServices: 0,
    dependencies: [],
  })

  assert.doesNotMatch(page, /<script|<link|src=|url\(http/)
  assert.match(page, /prefers-color-scheme: dark/)
  assert.match(page, /<html lang="en">/)
  assert.match(page, /<th scope="row">&lt;script&gt;/)
})

test('guidePage: escapes everything', () => {
  const evil = `<img src=x onerror="alert(1)">`
  const result = { service: evil, number: 1, name: evil, asks: evil, verdict: 'fail' as const, reason: evil }
  const page = guidePage({
    source: evil,
    at: new Date(0),
    results: [result],
    passed: 0,
    failed: 1,
    notApplicable: 0,
  })

  assert.doesNotMatch(page, /<img|<script|<link/)
  assert.match(page, /&lt;img src=x/)
})
