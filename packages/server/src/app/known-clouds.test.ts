/** Notes about clouds tell the living from the dead. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDataDir } from './data-dir.ts'
import { forgetCloud, knownClouds, lifeOf, noteCloud, tagOf } from './known-clouds.ts'

/** No process has this number. */
const nobody = 4_194_305

test('a cloud is stopped while its data directory is there, and dead without it or with another cloud in it', () => {
  const notes = mkdtempSync(join(tmpdir(), 'quaystone-notes-'))
  const dataDir = mkdtempSync(join(tmpdir(), 'quaystone-data-'))
  try {
    const { cloudId } = openDataDir(dataDir)
    const cloud = { cloudId, dataDir, pid: nobody }
    noteCloud(cloud, notes)
    noteCloud(cloud, notes)
    assert.deepEqual([...knownClouds(notes)], [[tagOf(cloud), cloud]])
    assert.equal(lifeOf(cloud), 'stopped')
    rmSync(dataDir, { recursive: true })
    assert.equal(lifeOf(cloud), 'dead')
    mkdirSync(join(dataDir, 'volumes'), { recursive: true })
    assert.equal(lifeOf(cloud), 'dead', 'a mount point is left, which could not be removed')
    openDataDir(dataDir)
    assert.equal(lifeOf(cloud), 'dead', 'another cloud lives there now')
    forgetCloud(tagOf(cloud), notes)
    assert.equal(knownClouds(notes).size, 0)
  } finally {
    for (const path of [notes, dataDir]) rmSync(path, { recursive: true, force: true })
  }
})

test('a damaged note says nothing, and hosts of one cloud have notes of their own', () => {
  const notes = mkdtempSync(join(tmpdir(), 'quaystone-notes-'))
  try {
    writeFileSync(join(notes, 'abc.json'), '{')
    const agents = ['a', 'b'].map((hostId) => ({ cloudId: '0badcafe', hostId, dataDir: notes, pid: nobody }))
    for (const agent of agents) noteCloud(agent, notes)
    assert.equal(knownClouds(notes).size, 2)
    assert.deepEqual(agents.map(lifeOf), ['stopped', 'stopped'])
  } finally {
    rmSync(notes, { recursive: true })
  }
})
