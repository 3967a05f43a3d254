// Loads the test files named on the command line into this process, each as a suite: its hooks are its own, and run when its
// turn comes, not while another file's tests do.
import { resolve } from 'node:path'
import { suite, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { openEnd } from '../tests/support/at-end.ts'

// Properties are tried with the same values in every run; another number tries others.
fc.configureGlobal({ seed: Number(process.env['IMHOTEP_TEST_SEED'] ?? 42) })
openEnd()
for (const file of process.argv.slice(2)) {
  void suite(file, async () => {
    try {
      await import(pathToFileURL(resolve(file)).href)
    } catch (error) {
      void test('can be loaded', () => {
        throw error
      })
    }
  })
}
