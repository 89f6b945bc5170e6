// Shows which bodies of `POST /members` are accepted, and which response is sent if a membership
// change takes too long.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { KontikiError, type RaftNode } from '@kontiki/core';
import { expect, it } from 'vitest';
import { changeOf, MembersApi } from '../src/http/members-api.js';

const parse = (body: string): unknown => changeOf(Buffer.from(body));

it('a membership change with valid fields is accepted', () => {
  const change = { change: 'replace', id: 'n1', with: 'n4', address: 'ws://x:1', metadata: '' };
  expect(parse(JSON.stringify(change))).toEqual(change);
});

it('a reconcile with valid members is accepted', () => {
  const n3 = { address: 'ws://x:3', metadata: 'http://x:4', learner: true };
  const change = { change: 'reconcile', desired: { n1: 'ws://x:1', n3 }, dryRun: true };
  expect(parse(JSON.stringify(change))).toEqual(change);
});

it.each([
  ['no JSON', '{', 'must be JSON'],
  ['a list', '[]', 'must be an object'],
  ['null', 'null', 'must be an object'],
  ['no change', '{}', 'change must be one of'],
  ['an unknown change', '{"change":"launch"}', 'change must be one of'],
  ['an unknown field', '{"change":"remove","forced":"yes"}', 'no field "forced"'],
  ['a prototype', '{"change":"remove","__proto__":"x"}', 'no field "__proto__"'],
  ['metadata that no client can open', '{"change":"add","id":"n4","metadata":"javascript:x"}', 'metadata must be'],
  ['a reconcile without members', '{"change":"reconcile"}', 'must have desired'],
  ['members of another change', '{"change":"remove","id":"n1","desired":{}}', 'no other change may have it'],
  ['a list of members', '{"change":"reconcile","desired":[]}', 'desired must be an object'],
  ['a text as dry run', '{"change":"reconcile","desired":{},"dryRun":"no"}', 'dryRun must be a boolean'],
  ['a number as member', '{"change":"reconcile","desired":{"n1":5}}', 'desired.n1 must be an address'],
  ['a member without address', '{"change":"reconcile","desired":{"n1":{}}}', 'desired.n1.address must be a string'],
  [
    'a misspelled field of a member',
    '{"change":"reconcile","desired":{"n1":{"address":"ws://x:1","learns":true}}}',
    'no field "learns" in desired.n1',
  ],
  [
    'a member with a text as part',
    '{"change":"reconcile","desired":{"n1":{"address":"ws://x:1","learner":"yes"}}}',
    'desired.n1.learner must be a boolean',
  ],
  [
    'a member with a number as metadata',
    '{"change":"reconcile","desired":{"n1":{"address":"ws://x:1","metadata":1}}}',
    'desired.n1.metadata must be the URL',
  ],
  ['a number as id', '{"change":"remove","id":1}', 'id must be a string'],
])('a body with %s is refused', (_, body, message) => {
  expect(() => parse(body)).toThrow(message);
});

it.each([
  ['add', 'KONTIKI_UNKNOWN_OUTCOME'],
  ['replace', 'KONTIKI_UNKNOWN_OUTCOME'],
  ['remove', 'KONTIKI_TIMEOUT'],
])('a change %s that times out rejects with %s', async (change, code) => {
  const timeOut = (): Promise<never> => Promise.reject(new KontikiError('KONTIKI_TIMEOUT', 'Too late.'));
  const members = { addVoter: timeOut, replace: timeOut, remove: timeOut };
  const api = new MembersApi({ waitForLeader: async () => ({}), members } as unknown as RaftNode, true);
  const body = JSON.stringify({ change, id: 'n1', with: 'n4', address: 'ws://x:1' });
  const request = Object.assign(Readable.from([Buffer.from(body)]), { method: 'POST', headers: {} });
  const handled = api.handle(request as unknown as IncomingMessage, {} as ServerResponse);
  await expect(handled).rejects.toMatchObject({ code, message: expect.stringContaining('Too late.') });
});
