import type { Operation } from './history.js';
import type { Model } from './models.js';

/** A key whose operations fit into no order, and the fewest of them that were found to show it. */
export interface Anomaly<Input> {
  readonly key: string;
  readonly operations: readonly Operation<Input>[];
}

/** An operation's call or its end, in a list of those not yet put in order, by time. */
interface Node {
  readonly operation: number;
  readonly isCall: boolean;
  /** The end that belongs to a call; undefined when there is none. */
  end: Node | undefined;
  before: Node | undefined;
  after: Node | undefined;
}

/** The list of calls and ends, behind a node that is neither. At one moment calls come first: then they overlap. */
function nodesOf<Input>(operations: readonly Operation<Input>[]): Node {
  const timed = operations.flatMap(({ call, end }, operation) => {
    const node = (isCall: boolean): Node => ({
      operation,
      isCall,
      end: undefined,
      before: undefined,
      after: undefined,
    });
    const begin = node(true);
    if (end === null) return [{ at: call, node: begin }];
    begin.end = node(false);
    return [
      { at: call, node: begin },
      { at: end, node: begin.end },
    ];
  });
  timed.sort((a, b) => a.at - b.at || Number(b.node.isCall) - Number(a.node.isCall));
  const head: Node = { operation: -1, isCall: false, end: undefined, before: undefined, after: undefined };
  let last = head;
  for (const { node } of timed) {
    node.before = last;
    last.after = node;
    last = node;
  }
  return head;
}

function takeOut(node: Node): void {
  if (node.before !== undefined) node.before.after = node.after;
  if (node.after !== undefined) node.after.before = node.before;
}

function putBack(node: Node): void {
  if (node.before !== undefined) node.before.after = node;
  if (node.after !== undefined) node.after.before = node;
}

/**
 * Whether the operations of one key can be put in an order that respects time and the model: each takes effect at one
 * moment between its call and its end (Wing and Gong, with Lowe's memory of what was tried). Those without an end may
 * take effect at any moment after their call, or never.
 */
export function isLinearizable<State, Input>(
  model: Model<State, Input>,
  operations: readonly Operation<Input>[],
): boolean {
  const head = nodesOf(operations);
  const placed = new Uint8Array(operations.length);
  const tried = new Set<string>();
  const path: { readonly node: Node; readonly state: State }[] = [];
  let { initial: state } = model;
  let open = operations.filter(({ end }) => end !== null).length;
  let node = head.after;
  while (open > 0) {
    if (node?.isCall === true) {
      const { operation } = node;
      const next = model.step(state, (operations[operation] as Operation<Input>).input);
      if (next !== undefined) {
        placed[operation] = 1;
        const sight = `${placed.join('')}${model.fingerprint(next)}`;
        if (!tried.has(sight)) {
          tried.add(sight);
          path.push({ node, state });
          state = next;
          takeOut(node);
          if (node.end !== undefined) {
            takeOut(node.end);
            open -= 1;
          }
          node = head.after;
          continue;
        }
        placed[operation] = 0;
      }
      node = node.after;
    } else {
      // Here something ends that has found no place: what was placed last must stand elsewhere.
      const last = path.pop();
      if (last === undefined) return false;
      if (last.node.end !== undefined) {
        putBack(last.node.end);
        open += 1;
      }
      putBack(last.node);
      placed[last.node.operation] = 0;
      state = last.state;
      node = last.node.after;
    }
  }
  return true;
}

/** Leaves out one operation after the other, as long as what is left still fits into no order. What others saw put there stays. */
function smallest<State, Input>(
  model: Model<State, Input>,
  operations: readonly Operation<Input>[],
): readonly Operation<Input>[] {
  let left = operations;
  for (const operation of [...operations].reverse()) {
    const without = left.filter((other) => other !== operation);
    const put = model.puts(operation.input);
    if (put !== undefined && without.some(({ input }) => model.sees(input).includes(put))) continue;
    if (!isLinearizable(model, without)) left = without;
  }
  return left;
}

/** The keys of a history whose operations are not linearizable; none when it is (it is when each key is: Herlihy and Wing). */
export function checkHistory<State, Input>(
  model: Model<State, Input>,
  history: readonly Operation<Input>[],
): Anomaly<Input>[] {
  const byKey = new Map<string, Operation<Input>[]>();
  for (const operation of history) {
    const same = byKey.get(operation.key);
    if (same === undefined) byKey.set(operation.key, [operation]);
    else same.push(operation);
  }
  return [...byKey].flatMap(([key, operations]) =>
    isLinearizable(model, operations) ? [] : [{ key, operations: smallest(model, operations) }],
  );
}
