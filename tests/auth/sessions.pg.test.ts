import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'
import { addUser } from './users.fixture.ts'

let clinic: RaceClinic
let user: string

before(async () => {
  clinic = await openRaceClinic(10)
  user = await addUser(clinic)
})
after(() => clinic.close())

test('rotate_session: a refresh token works once and is followed by one of the same family', async () => {
  const family = await start('once')

  const rotated = await rotate('once', 'twice')

  assert.deepEqual(rotated, { outcome: 'rotated', family_id: family })
  assert.deepEqual(await rotate('twice', 'thrice'), { outcome: 'rotated', family_id: family })
})

test('rotate_session: a token that comes a second time ends its whole family, and no other', async () => {
  const stolen = await start('stolen')
  const other = await start('other device')
  await rotate('stolen', 'of the thief')

  const again = await rotate('stolen', 'of the owner')

  assert.deepEqual(again, { outcome: 'reused', family_id: stolen })
  assert.equal((await rotate('of the thief', 'no more')).outcome, 'revoked')
  assert.deepEqual(await rotate('other device', 'still good'), { outcome: 'rotated', family_id: other })
})

test('rotate_session: of 10 that send the same token at once one gets a new one, and the family ends', async () => {
  const family = await start('raced')

  const outcomes = await Promise.all(Array.from({ length: 10 }, (_, index) => rotate('raced', `raced ${index}`)))

  assert.equal(outcomes.filter(({ outcome }) => outcome === 'rotated').length, 1)
  assert.equal(outcomes.filter(({ outcome }) => outcome === 'reused').length, 9)
  const live = await clinic.as((tx) =>
    tx.query('select from auth.sessions where family_id = $1 and revoked_at is null', [family]),
  )
  assert.equal(live.length, 0)
})

test('rotate_session: tells expired, revoked and unknown tokens apart', async () => {
  await start('idle')
  await clinic.asSuperuser(
    `update auth.sessions set idle_expires_at = now() - interval '1 second' where refresh_hash = $1`,
    [hash('idle')],
  )
  const signedOut = await start('signed out')
  await clinic.as((tx) => tx.query(`select auth.revoke_sessions($1, 'signed_out', $2)`, [user, signedOut]))

  assert.equal((await rotate('idle', 'x')).outcome, 'expired')
  assert.equal((await rotate('signed out', 'x')).outcome, 'revoked')
  assert.equal((await rotate(randomUUID(), 'x')).outcome, 'unknown')
})

test('rotate_session: refuses the token of a user who is suspended', async () => {
  const suspended = await addUser(clinic)
  await start('of the suspended', suspended)
  await clinic.as(async (tx) => {
    await tx.query(`select core.set_reason('left')`)
    await tx.query(`update auth.users set status = 'suspended' where id = $1`, [suspended])
  })

  assert.equal((await rotate('of the suspended', 'x')).outcome, 'user_inactive')
  await assert.rejects(start('again', suspended), { sqlstate: 'IM005' })
})

async function start(token: string, owner = user): Promise<string> {
  const [row] = await clinic.as((tx) =>
    tx.query<{ id: string }>(`select auth.start_session($1, $2, '192.0.2.1', 'test') as id`, [owner, hash(token)]),
  )
  assert.ok(row)
  return row.id // the first session of a family gives it its id
}

async function rotate(token: string, next: string): Promise<{ outcome: string; family_id: string | null }> {
  const [row] = await clinic.as((tx) =>
    tx.query<{ outcome: string; family_id: string | null }>(
      `select outcome, family_id from auth.rotate_session($1, $2, '192.0.2.1', 'test')`,
      [hash(token), hash(next)],
    ),
  )
  assert.ok(row)
  return row
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
