import type { Operation } from './history.js';
import type { Model } from './models.js';

/**
 * A key whose operations are not linearizable, and a small subset of these operations as a
 * counterexample.
 */
export interface Anomaly<Input> {
  readonly key: string;
  readonly operations: readonly Operation<Input>[];
}

/**
 * The call or the end of an operation. The nodes of the operations that are not linearized yet form
 * a linked list, in order of time.
 */
interface Node {
  readonly operation: number;
  readonly isCall: boolean;
  /**
   * The node of the operation's end, if this node is the operation's call. Undefined if the
   * operation has no end.
   */
  end: Node | undefined;
  before: Node | undefined;
  after: Node | undefined;
}

/**
 * Returns the head of a list of all calls and ends. Among nodes of the same time, calls come before
 * ends, so that the operations overlap.
 */
function nodesOf<Input>(operations: readonly Operation<Input>[]): Node {
  const timed = operations.flatMap(({ call, end }, operation) => {
    const node = (isCall: boolean): Node => ({
      operation,
      isCall,
      end: undefined,
      before: undefined,
      after: undefined,
    });
    const start = node(true);
    if (end === null) return [{ at: call, node: start }];
    start.end = node(false);
    return [
      { at: call, node: start },
      { at: end, node: start.end },
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

function unlink(node: Node): void {
  if (node.before !== undefined) node.before.after = node.after;
  if (node.after !== undefined) node.after.before = node.before;
}

function relink(node: Node): void {
  if (node.before !== undefined) node.before.after = node;
  if (node.after !== undefined) node.after.before = node;
}

/**
 * Returns whether the operations of one key are linearizable. They are if the model accepts them in
 * some order in which each operation takes effect between its call and its end. An operation
 * without an end may take effect at any time after its call, or never.
 *
 * The algorithm is Wing and Gong's search with Lowe's cache. Each step linearizes an operation
 * called before the first end in the list. The search backtracks when it reaches the end of an
 * operation that is not linearized. It skips combinations of linearized operations and state that
 * it has already tried.
 */
export function isLinearizable<State, Input>(
  model: Model<State, Input>,
  operations: readonly Operation<Input>[],
): boolean {
  const head = nodesOf(operations);
  const linearized = new Uint8Array(operations.length);
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
        linearized[operation] = 1;
        const configuration = `${linearized.join('')}${model.fingerprint(next)}`;
        if (!tried.has(configuration)) {
          tried.add(configuration);
          path.push({ node, state });
          state = next;
          unlink(node);
          if (node.end !== undefined) {
            unlink(node.end);
            open -= 1;
          }
          node = head.after;
          continue;
        }
        linearized[operation] = 0;
      }
      node = node.after;
    } else {
      // The operation that ends here is not linearized. Undo the last step and try the next
      // operation.
      const last = path.pop();
      if (last === undefined) return false;
      if (last.node.end !== undefined) {
        relink(last.node.end);
        open += 1;
      }
      relink(last.node);
      linearized[last.node.operation] = 0;
      state = last.state;
      node = last.node.after;
    }
  }
  return true;
}

/**
 * Minimizes a counterexample. Removes each operation without which the remaining operations are
 * still not linearizable. Keeps a write if a remaining operation saw its value.
 */
function minimize<State, Input>(
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

/**
 * Returns an anomaly for each key whose operations are not linearizable. An empty result means that
 * the history is linearizable, because linearizability is a local property (Herlihy and Wing).
 */
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
    isLinearizable(model, operations) ? [] : [{ key, operations: minimize(model, operations) }],
  );
}
