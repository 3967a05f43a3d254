import { migrationStatus } from '@imhotep/engine'
import { sequencesBehind } from '../../postgres/sequences.ts'
import { withSession } from '../../postgres/session.ts'
import { judgeProblems, notApplicable, type GuideTest } from '../guide-test.ts'

export const safeSequences: GuideTest = {
  name: 'safe sequences',
  asks: 'does every sequence hand out a value behind the greatest one in use?',
  async run({ split, service, isOwn }) {
    if (!isOwn) return notApplicable('sequences are set by the switch')
    const behind = await withSession(split.adminUrl(service.database), (session) =>
      sequencesBehind(session, service.tables, 'target'),
    )
    return judgeProblems(
      behind.map(({ table, column }) => `the next ${table}.${column} is in use already: set its sequence with setval`),
      'the next value of every sequence is free',
    )
  },
}

export const migrations: GuideTest = {
  name: 'history of migrations',
  asks: 'has the service a history of its own that says the same as its files?',
  async run({ split, service, isCopied }) {
    if (!isCopied) return notApplicable('its tables are not all made yet')
    const { versions, chainBrokenAt } = await migrationStatus(split.adminUrl(service.database), {
      directory: split.migrationsOf(service.name),
    })
    return judgeProblems(
      [
        ...versions.filter(({ state }) => state !== 'applied').map(({ file, state }) => `${file} is ${state}`),
        ...(chainBrokenAt === null ? [] : [`the history was changed by hand from ${chainBrokenAt} on`]),
      ],
      `${versions.length} migrations are applied as their files say`,
    )
  },
}
