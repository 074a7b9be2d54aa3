// A worker that puts one image where the service said. Only it may talk to storage,
// whose address is not known beforehand: the page itself may talk to the service alone.
// It knows no token and sees no page.
onmessage = ({ data: { method, url, headers, file } }) => {
  const xhr = new XMLHttpRequest();
  xhr.open(method, url);
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() !== "content-length") xhr.setRequestHeader(name, value); // the browser's own business
  }
  xhr.upload.onprogress = (e) => postMessage({ loaded: e.loaded, total: e.total });
  xhr.onload = () => postMessage({ status: xhr.status });
  xhr.onerror = () => postMessage({ status: 0 });
  xhr.send(file);
};
