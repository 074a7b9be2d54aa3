// Checks an S3 and an SQS endpoint with the AWS SDK for JavaScript. Endpoints, keys,
// bucket and queue come from the environment; exits 1 with the first thing that is wrong.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
} from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityCommand, DeleteMessageCommand, GetQueueAttributesCommand, ReceiveMessageCommand,
  SendMessageBatchCommand, SendMessageCommand, SQSClient,
} from "@aws-sdk/client-sqs";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const need = (name) => process.env[name] ?? assert.fail(`${name} is not set`);
const Bucket = need("S3_BUCKET");
const QueueUrl = need("SQS_QUEUE_URL");
const prefix = `js-${randomUUID()}/`;
const s3 = new S3Client({ endpoint: need("AWS_ENDPOINT_URL_S3"), forcePathStyle: true });
const sqs = new SQSClient({ endpoint: need("AWS_ENDPOINT_URL_SQS") });

const rejects = (promise, name) =>
  promise.then(() => assert.fail(`accepted; want ${name}`), (err) => assert.equal(err.name, name));

async function receive(WaitTimeSeconds = 5) {
  const out = await sqs.send(new ReceiveMessageCommand({
    QueueUrl, WaitTimeSeconds, VisibilityTimeout: 60,
    MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"],
  }));
  return out.Messages?.[0];
}

const checks = {
  async "put and get"() {
    const Key = prefix + "a b+ü";
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: "hello", ContentType: "text/plain", Metadata: { who: "js" } }));
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(await got.Body.transformToString(), "hello");
    assert.equal(got.ContentType, "text/plain");
    assert.equal(got.Metadata.who, "js");
    const part = await s3.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=1-2" }));
    assert.equal(await part.Body.transformToString(), "el");
    await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    await rejects(s3.send(new GetObjectCommand({ Bucket, Key })), "NoSuchKey");
  },
  async "stream with a trailing checksum"() {
    const Key = prefix + "stream";
    const Body = Readable.from([Buffer.alloc(70_000, "x"), Buffer.alloc(70_000, "y")], { objectMode: false });
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: 140_000 }));
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    assert.equal(head.ContentLength, 140_000);
    assert.equal(head.ContentEncoding, undefined);
  },
  async "conditional put"() {
    const Key = prefix + "once";
    const first = await s3.send(new PutObjectCommand({ Bucket, Key, Body: "1", IfNoneMatch: "*" }));
    await rejects(s3.send(new PutObjectCommand({ Bucket, Key, Body: "2", IfNoneMatch: "*" })), "PreconditionFailed");
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: "3", IfMatch: first.ETag }));
    await rejects(s3.send(new PutObjectCommand({ Bucket, Key, Body: "4", IfMatch: first.ETag })), "PreconditionFailed");
  },
  async "multipart upload"() {
    const Key = prefix + "large";
    await new Upload({ client: s3, params: { Bucket, Key, Body: Readable.from([Buffer.alloc(12 << 20, "z")], { objectMode: false }) } }).done();
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    assert.equal(head.ContentLength, 12 << 20);
  },
  async "presigned put and get"() {
    const Key = prefix + "presigned";
    const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key, ContentType: "image/png" }), {
      expiresIn: 60, signableHeaders: new Set(["content-type"]),
    });
    const send = (type) => fetch(put, { method: "PUT", body: "12345", headers: { "Content-Type": type } });
    assert.equal((await send("text/html")).status, 403);
    assert.equal((await send("image/png")).status, 200);
    const get = await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 }));
    assert.equal(await get.text(), "12345");
  },
  async list() {
    const out = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
    assert.deepEqual(out.Contents.map((o) => o.Key.slice(prefix.length)), ["large", "once", "presigned", "stream"]);
  },
  async "send, receive, delete"() {
    const sent = await sqs.send(new SendMessageCommand({
      QueueUrl, MessageBody: "<hello> ü", MessageGroupId: "owner",
      MessageAttributes: { traceparent: { DataType: "String", StringValue: "00-ab-cd-01" }, raw: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) } },
    }));
    const m = await receive();
    assert.equal(m.MessageId, sent.MessageId);
    assert.equal(m.Body, "<hello> ü");
    assert.equal(m.Attributes.ApproximateReceiveCount, "1");
    assert.equal(m.Attributes.MessageGroupId, "owner");
    assert.equal(m.MessageAttributes.traceparent.StringValue, "00-ab-cd-01");
    assert.deepEqual([...m.MessageAttributes.raw.BinaryValue], [0, 255]);
    await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0 }));
    const again = await receive();
    assert.equal(again.Attributes.ApproximateReceiveCount, "2");
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again.ReceiptHandle }));
    assert.equal(await receive(0), undefined);
  },
  async "long poll wakes"() {
    const began = Date.now();
    const polled = receive(20);
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "wake" }));
    const m = await polled;
    assert.equal(m.Body, "wake");
    assert.ok(Date.now() - began < 10_000, "the poll was not woken");
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle }));
  },
  async "batch, attributes, errors"() {
    const Entries = [1, 2, 3].map((n) => ({ Id: `e${n}`, MessageBody: `m${n}`, DelaySeconds: 900 }));
    const out = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    assert.equal(out.Successful.length, 3);
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
    assert.ok(Number(Attributes.ApproximateNumberOfMessagesDelayed) >= 3);
    await rejects(sqs.send(new SendMessageCommand({ QueueUrl: QueueUrl + "-none", MessageBody: "m" })), "QueueDoesNotExist");
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok   js: ${name}`);
  } catch (err) {
    console.error(`FAIL js: ${name}: ${err.message}`);
    process.exit(1);
  }
}
process.exit(0);
