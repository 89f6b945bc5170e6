import { checkId } from '../../id.js';
import type { MembershipStep } from '../../log/membership-change.js';
import { badOption } from '../options.js';

const KINDS: readonly MembershipStep['kind'][] = [
  'addLearner',
  'promote',
  'demote',
  'remove',
  'setAddress',
  'setMetadata',
];

/** Throws `KONTIKI_BAD_OPTION` if the fields of a step do not match its type. */
export function checkStep(step: MembershipStep): void {
  const { kind, id, ...info } = (step ?? {}) as Partial<Record<string, unknown>>;
  if (!KINDS.includes(kind as MembershipStep['kind']))
    throw badOption(`The kind of a step must be one of ${KINDS.join(', ')}, not ${JSON.stringify(kind)}.`);
  checkId('the id in a step', id);
  const { address = kind === 'addLearner' || kind === 'setAddress' ? undefined : '' } = info;
  const { metadata = kind === 'setMetadata' ? undefined : '' } = info;
  if (typeof address !== 'string' || typeof metadata !== 'string')
    throw badOption(`The address and the metadata in a step ${String(kind)} must be strings.`);
}
