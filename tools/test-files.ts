// Loads the test files named on the command line into this process; node:test runs them in their order.
import { resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

for (const file of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    test(`${file}: can be loaded`, () => {
      throw error
    })
  }
}
