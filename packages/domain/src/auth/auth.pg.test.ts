import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { NotFoundError } from '@imhotep/postgres'
import { digest, withHospital } from '../hospital.fixture.ts'
import { revokeSessions, rotateSession, startSession } from './sessions.ts'
import { recordSignIn } from './sign-in.ts'

const device = { ip: '10.0.0.1', userAgent: 'test' }

test('recordSignIn: five wrong passwords lock the account, also for the right one', () =>
  withHospital(async ({ run, users }) => {
    const attempt = (success: boolean) => run((tx) => recordSignIn(tx, { userId: users[0], success, ip: '10.0.0.1' }))

    const good = await attempt(true)
    const bad = []
    for (let n = 0; n < 5; n++) bad.push(await attempt(false))
    const late = await attempt(true)

    assert.deepEqual([good.allowed, bad.map((result) => result.failedAttempts)], [true, [1, 2, 3, 4, 5]])
    assert.deepEqual([bad.at(-1)?.status, late.allowed], ['locked', false])
    assert.ok(late.lockedUntil instanceof Date)
    await assert.rejects(
      run((tx) => recordSignIn(tx, { userId: randomUUID(), success: true })),
      NotFoundError,
    )
  }))

test('rotateSession: a token that is used twice revokes its whole family', () =>
  withHospital(async ({ run, users }) => {
    const [first, second, third] = [digest('1'), digest('2'), digest('3')]
    await run((tx) => startSession(tx, { userId: users[0], refreshHash: first, ...device, amr: ['pwd'] }))

    const rotated = await run((tx) => rotateSession(tx, { refreshHash: first, newHash: second, ...device }))
    const reused = await run((tx) => rotateSession(tx, { refreshHash: first, newHash: third, ...device }))
    const afterwards = await run((tx) => rotateSession(tx, { refreshHash: second, newHash: third, ...device }))

    assert.deepEqual([rotated.outcome, reused.outcome, afterwards.outcome], ['rotated', 'reused', 'revoked'])
    assert.equal(rotated.userId, users[0])
  }))

test('revokeSessions: ends every live session of the user once', () =>
  withHospital(async ({ run, users }) => {
    await run((tx) => startSession(tx, { userId: users[0], refreshHash: digest('a'), ...device }))
    await run((tx) => startSession(tx, { userId: users[0], refreshHash: digest('b'), ...device }))

    const ended = await run((tx) => revokeSessions(tx, { userId: users[0], reason: 'signed_out' }))
    const again = await run((tx) => revokeSessions(tx, { userId: users[0], reason: 'signed_out' }))

    assert.deepEqual([ended, again], [2, 0])
  }))
