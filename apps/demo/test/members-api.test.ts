// Shows which bodies of `POST /members` are accepted.
import { expect, it } from 'vitest';
import { changeOf } from '../src/http/members-api.js';

const parse = (body: string): unknown => changeOf(Buffer.from(body));

it('a change with its fields is accepted', () => {
  const change = { change: 'replace', id: 'n1', with: 'n4', address: 'ws://x:1', metadata: '' };
  expect(parse(JSON.stringify(change))).toEqual(change);
});

it.each([
  ['no JSON', '{', 'must be JSON'],
  ['a list', '[]', 'must be an object'],
  ['null', 'null', 'must be an object'],
  ['no change', '{}', 'change must be one of'],
  ['an unknown change', '{"change":"launch"}', 'change must be one of'],
  ['an unknown field', '{"change":"remove","force":"yes"}', 'no field "force"'],
  ['a prototype', '{"change":"remove","__proto__":"x"}', 'no field "__proto__"'],
  ['metadata that no client can open', '{"change":"add","id":"n4","metadata":"javascript:x"}', 'metadata must be'],
  ['a number as id', '{"change":"remove","id":1}', 'id must be a string'],
])('a body with %s is refused', (_, body, message) => {
  expect(() => parse(body)).toThrow(message);
});
