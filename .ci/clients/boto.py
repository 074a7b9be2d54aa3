#!/usr/bin/python3
"""Checks an S3 and an SQS endpoint with boto3, 1.26 or newer.

Endpoints, keys, bucket and queue come from the environment; exits 1 with the first
thing that is wrong. botocore before 1.31 speaks the query protocol (XML) to SQS, and
presigns with Signature Version 2 by default.
"""

import os
import sys
import threading
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["S3_BUCKET"]
QUEUE = os.environ["SQS_QUEUE_URL"]
PREFIX = f"boto-{uuid.uuid4()}/"

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"],
    config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
)
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL_SQS"])


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as err:
        equal(err.response["Error"]["Code"], code)
    else:
        raise AssertionError(f"accepted; want {code}")


def receive(wait=5):
    out = sqs.receive_message(
        QueueUrl=QUEUE, WaitTimeSeconds=wait, VisibilityTimeout=60, AttributeNames=["All"], MessageAttributeNames=["All"]
    )
    return out.get("Messages", [None])[0]


def put_and_get():
    key = PREFIX + "a b+ü"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"hello", ContentType="text/plain", Metadata={"who": "boto"})
    got = s3.get_object(Bucket=BUCKET, Key=key)
    equal((got["Body"].read(), got["ContentType"], got["Metadata"]), (b"hello", "text/plain", {"who": "boto"}))
    equal(s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=1-2")["Body"].read(), b"el")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)["Contents"]
    equal([o["Key"] for o in listed], [key])
    s3.delete_object(Bucket=BUCKET, Key=key)
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key=key)


def multipart():
    key = PREFIX + "large"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    parts = []
    for number, body in enumerate([b"a" * (5 << 20), b"end"], 1):
        part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=body)
        parts.append({"ETag": part["ETag"], "PartNumber": number})
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    equal(s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"], (5 << 20) + 3)


def presigned():
    key = PREFIX + "presigned"
    url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": key, "ContentType": "image/png"}, 60)

    def status(kind):
        request = urllib.request.Request(url, b"12345", {"Content-Type": kind}, method="PUT")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as err:
            return err.code

    equal(status("text/html"), 403)
    equal(status("image/png"), 200)
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, 60)) as answer:
        equal(answer.read(), b"12345")


def send_receive_delete():
    sent = sqs.send_message(
        QueueUrl=QUEUE,
        MessageBody="<hello> ü\r\n",
        MessageAttributes={
            "traceparent": {"DataType": "String", "StringValue": "00-ab-cd-01"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    m = receive()
    equal((m["MessageId"], m["Body"]), (sent["MessageId"], "<hello> ü\r\n"))
    equal(m["Attributes"]["ApproximateReceiveCount"], "1")
    equal(m["MessageAttributes"]["raw"]["BinaryValue"], b"\x00\xff")
    equal(m["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
    sqs.change_message_visibility(QueueUrl=QUEUE, ReceiptHandle=m["ReceiptHandle"], VisibilityTimeout=0)
    again = receive()
    equal(again["Attributes"]["ApproximateReceiveCount"], "2")
    sqs.delete_message(QueueUrl=QUEUE, ReceiptHandle=again["ReceiptHandle"])
    equal(receive(0), None)


def long_poll():
    sender = threading.Timer(0.5, lambda: sqs.send_message(QueueUrl=QUEUE, MessageBody="wake"))
    sender.start()
    m = receive(20)
    sender.join()
    equal(m["Body"], "wake")
    sqs.delete_message(QueueUrl=QUEUE, ReceiptHandle=m["ReceiptHandle"])


def batch_attributes_errors():
    entries = [{"Id": f"e{n}", "MessageBody": f"m{n}", "DelaySeconds": 900} for n in range(3)]
    out = sqs.send_message_batch(QueueUrl=QUEUE, Entries=entries)
    equal(([e["Id"] for e in out["Successful"]], out.get("Failed")), (["e0", "e1", "e2"], None))
    attributes = sqs.get_queue_attributes(QueueUrl=QUEUE, AttributeNames=["All"])["Attributes"]
    if int(attributes["ApproximateNumberOfMessagesDelayed"]) < 3:
        raise AssertionError(f"attributes {attributes}; want three delayed messages")
    refused("AWS.SimpleQueueService.NonExistentQueue", sqs.send_message, QueueUrl=QUEUE + "-none", MessageBody="m")


for check in (put_and_get, multipart, presigned, send_receive_delete, long_poll, batch_attributes_errors):
    try:
        check()
    except Exception as err:  # whatever it is, it is the answer
        sys.exit(f"FAIL boto3: {check.__name__}: {err}")
    print(f"ok   boto3: {check.__name__}")
