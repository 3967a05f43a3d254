import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dependencyOrder, requireCycle } from './dependency-order.ts'

const named = (name: string, ...requires: string[]) => ({ name, requires })

test('dependencyOrder: each module stands behind what it requires, equals by name', () => {
  const modules = [named('a', 'z'), named('c'), named('b', 'c'), named('z')]

  assert.deepEqual(
    dependencyOrder(modules).map((module) => module.name),
    ['c', 'b', 'z', 'a'],
  )
})

test('dependencyOrder: the order in which modules are given does not matter', () => {
  const modules = [named('a'), named('b', 'a'), named('c', 'a'), named('d', 'b', 'c'), named('e'), named('f', 'e', 'b')]

  fc.assert(
    fc.property(fc.shuffledSubarray(modules, { minLength: modules.length }), (shuffled) => {
      assert.deepEqual(dependencyOrder(shuffled), dependencyOrder(modules))
    }),
  )
})

test('requireCycle: finds a circle and only a circle', () => {
  assert.equal(requireCycle([named('a', 'b'), named('b')]), null)
  assert.deepEqual(requireCycle([named('a', 'b'), named('b', 'c'), named('c', 'b')]), ['b', 'c', 'b'])
})
