import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { after, test } from 'node:test'
import {
  embeddedOptions,
  makeDirectory,
  removeDirectories,
  startElsewhere,
} from '../../../../tests/support/embedded.ts'
import { connect, startEmbedded } from '../index.ts'

after(removeDirectories)

// Spread over the whole of a first start, which takes about a second.
const moments = Array.from({ length: 25 }, (_, index) => 150 + index * 50)

for (const moment of moments) {
  test(`startEmbedded: works after it was killed ${moment} ms into the first start`, async () => {
    const directory = await makeDirectory()
    const { child } = await startElsewhere(embeddedOptions(directory))
    await new Promise((resolve) => setTimeout(resolve, moment))
    child.kill('SIGKILL')
    await once(child, 'close')

    const server = await startEmbedded(embeddedOptions(directory))

    const db = connect(server.url())
    assert.deepEqual(await db.query('select 1 as one'), [{ one: 1 }])
    await db.close()
    await server.stop('immediate')
    assert.deepEqual((await readdir(directory)).toSorted(), ['data', 'password', 'port', 'server.log'])
  })
}
