import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATUS_ERROR } from './otlp.ts';
import { decodePartialSuccess, encodeMessage, METRICS_REQUEST, TRACES_REQUEST } from './protobuf.ts';

function hex(message: object, schema: typeof METRICS_REQUEST): string {
  return Buffer.from(encodeMessage(message, schema)).toString('hex');
}

// These bytes are what the library of the protocol itself makes of the same messages; that a collector reads everything that
// is sent is held by test/monitoring/telemetry.test.ts.
test('writes numbers, texts, ids and messages within messages as the protocol says', () => {
  const span = {
    traceId: '000102030405060708090a0b0c0d0e0f',
    spanId: '1011121314151617',
    name: 'é',
    kind: 1,
    startTimeUnixNano: '1',
    endTimeUnixNano: '18446744073709551615',
    attributes: [{ key: 'n', value: { intValue: '-1' } }],
    status: { message: 'x', code: STATUS_ERROR },
  };
  assert.equal(
    hex(
      { resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans: [span] }] }] },
      TRACES_REQUEST,
    ),
    [
      '0a53', // resource_spans, 83 bytes
      '0a00', // resource
      '124f', // scope_spans, 79 bytes
      '124d', // span, 77 bytes
      '0a10000102030405060708090a0b0c0d0e0f',
      '12081011121314151617',
      '2a02c3a9', // name
      '3001', // kind
      '390100000000000000',
      '41ffffffffffffffff',
      '4a10', // attribute, 16 bytes
      '0a016e',
      '120b18ffffffffffffffffff01', // -1 takes ten bytes
      '7a051201781802', // status
    ].join(''),
  );
});

test('writes each kind of a data point, and long messages with long lengths', () => {
  const summary = {
    attributes: [],
    startTimeUnixNano: '1',
    timeUnixNano: '2',
    count: '7',
    sum: 1.5,
    quantileValues: [{ quantile: 0.5, value: 3 }],
  };
  const metrics = [
    { name: 'g', gauge: { dataPoints: [{ attributes: [], timeUnixNano: '2', asDouble: 0.5 }] } },
    {
      name: 's',
      sum: {
        dataPoints: [{ attributes: [], timeUnixNano: '2', asInt: '-3' }],
        aggregationTemporality: 2,
        isMonotonic: true,
      },
    },
    { name: 'h', summary: { dataPoints: [summary] } },
    { name: 'long'.repeat(1_000), gauge: { dataPoints: [] } },
  ];
  assert.equal(
    hex({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] }, METRICS_REQUEST),
    [
      '0aa62012a320', // resource_metrics and scope_metrics, 4,134 and 4,131 bytes
      '12190a01672a140a12' + '190200000000000000' + '21000000000000e03f',
      '121d0a01733a180a12' + '190200000000000000' + '31fdffffffffffffff' + '10021801',
      '123f0a01685a3a0a38' + '110100000000000000' + '190200000000000000' + '210700000000000000',
      '29000000000000f83f' + '3212' + '09000000000000e03f' + '110000000000000840',
      `12a51f0aa01f${Buffer.from('long'.repeat(1_000)).toString('hex')}2a00`,
    ].join(''),
  );
});

test('refuses a field that the protocol does not have', () => {
  assert.throws(() => hex({ resourceMetric: [] }, METRICS_REQUEST), /no message of the protocol has a field/);
});

test('reads what was rejected, and takes nonsense for success', () => {
  const partial = Buffer.from('0a08' + '0805' + '1204' + Buffer.from('late').toString('hex'), 'hex');
  assert.deepEqual(decodePartialSuccess(partial), { rejected: 5, message: 'late' });
  assert.equal(decodePartialSuccess(new Uint8Array()), undefined);
  assert.equal(decodePartialSuccess(Buffer.from('<html>504</html>')), undefined);
  assert.deepEqual(decodePartialSuccess(Buffer.from('0aff', 'hex')), { rejected: 0, message: '' });
});
