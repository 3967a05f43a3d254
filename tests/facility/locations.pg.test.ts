import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { DatabaseError } from '@imhotep/postgres'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(4)
})
after(() => clinic.close())

test('locations: the path is made of the codes from the root, and follows when a place moves', async () => {
  const house = await add('A', null)
  const floor = await add('A1', house)
  const room = await add('A1R', floor)
  const other = await add('B', null)

  const before = await pathOf(room)
  await move(floor, other)

  assert.equal(before, '/a/a1/a1r')
  assert.equal(await pathOf(room), '/b/a1/a1r')
})

test('locations: a place cannot contain itself, directly or through others (23514)', async () => {
  const house = await add('C', null)
  const floor = await add('C1', house)
  const room = await add('C1R', floor)

  for (const [place, into] of [
    [house, house],
    [house, floor],
    [house, room],
  ] as const) {
    await assert.rejects(move(place, into), { sqlstate: '23514', constraint: 'locations_no_cycle' })
  }
})

test('locations: two moves at once that would close a ring: one of them is refused', async () => {
  const one = await add('D', null)
  const two = await add('E', null)

  const outcomes = await Promise.all([attempt(one, two), attempt(two, one)])

  assert.deepEqual(outcomes.toSorted(), ['23514', 'moved'])
})

test('locations: a parent that does not exist is refused (IM005)', async () => {
  await assert.rejects(add('F', randomUUID()), { sqlstate: 'IM005' })
})

async function add(code: string, parent: string | null): Promise<string> {
  const [row] = await clinic.as((tx) =>
    tx.query<{ id: string }>(
      `insert into facility.locations (tenant_id, clinic_id, parent_location_id, kind, code, name)
       values ($1, $2, $3, 'building', $4, $4) returning id`,
      [clinic.tenant, clinic.clinic, parent, code],
    ),
  )
  assert.ok(row)
  return row.id
}

function move(place: string, into: string): Promise<unknown> {
  return clinic.as((tx) =>
    tx.query('update facility.locations set parent_location_id = $2 where id = $1', [place, into]),
  )
}

async function attempt(place: string, into: string): Promise<string> {
  try {
    await move(place, into)
    return 'moved'
  } catch (error) {
    if (error instanceof DatabaseError) return error.sqlstate
    throw error
  }
}

async function pathOf(place: string): Promise<string | undefined> {
  const [row] = await clinic.as((tx) =>
    tx.query<{ path: string }>('select path from facility.locations where id = $1', [place]),
  )
  return row?.path
}
