import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'
import { addUser } from './users.fixture.ts'

interface SignIn {
  allowed: boolean
  status: string
  failed_attempts: number
}

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(20)
})
after(() => clinic.close())

test('record_sign_in: the fifth wrong password locks, and then the right one does not help', async () => {
  const user = await addUser(clinic)

  const wrong: SignIn[] = []
  for (let attempt = 0; attempt < 5; attempt++) wrong.push(await signIn(user, false))

  assert.deepEqual(
    wrong.map(({ status }) => status),
    ['active', 'active', 'active', 'active', 'locked'],
  )
  assert.equal((await signIn(user, true)).allowed, false)
})

test('record_sign_in: a right password in between starts the count again', async () => {
  const user = await addUser(clinic)
  for (let attempt = 0; attempt < 4; attempt++) await signIn(user, false)

  const right = await signIn(user, true)

  assert.deepEqual(right, { allowed: true, status: 'active', failed_attempts: 0 })
  assert.equal((await signIn(user, false)).status, 'active')
})

test('record_sign_in: a lock that has run out ends with the next attempt', async () => {
  const user = await addUser(clinic)
  for (let attempt = 0; attempt < 5; attempt++) await signIn(user, false)
  await clinic.asSuperuser(`update auth.users set locked_until = now() - interval '1 second' where id = $1`, [user])

  assert.deepEqual(await signIn(user, true), { allowed: true, status: 'active', failed_attempts: 0 })
})

test('record_sign_in: of 20 guesses at once none is lost, and the account is locked', async () => {
  const user = await addUser(clinic)

  const guesses = await Promise.all(Array.from({ length: 20 }, () => signIn(user, false)))

  assert.deepEqual(
    guesses.map(({ failed_attempts }) => failed_attempts).toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, index) => index + 1),
  )
  assert.equal((await signIn(user, true)).status, 'locked')
})

test('record_sign_in: says so when there is no such user (IM005)', async () => {
  await assert.rejects(signIn(randomUUID(), true), { sqlstate: 'IM005' })
})

async function signIn(user: string, success: boolean): Promise<SignIn> {
  const [row] = await clinic.as((tx) =>
    tx.query<SignIn>(`select allowed, status, failed_attempts from auth.record_sign_in($1, $2, '192.0.2.1')`, [
      user,
      success,
    ]),
  )
  assert.ok(row)
  return row
}
