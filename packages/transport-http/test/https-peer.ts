import { HttpTransport } from '@kontiki/transport-http';

// A program that sends numbered messages to server `a`, at an address given as an argument, until
// it is killed.
const [address = ''] = process.argv.slice(2);
const transport = new HttpTransport({ listen: { port: 0 } });
await transport.start({ cluster: 'c-1', server: 'b', incarnation: 5, genesis: undefined, epoch: undefined }, () => {});
transport.setPeers(new Map([['a', address]]));
setInterval(() => transport.send('a', [{ kind: 'readIndex', term: 1, incarnation: 1, ticket: 4711 }]), 20);
