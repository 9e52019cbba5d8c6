"use strict";
// Sends the forms of the reference page. The token stays in this page and goes nowhere but into the requests.

const token = document.getElementById("token");

function request(form) {
  const data = new FormData(form);
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const [key, value] of data) {
    const [place, name] = key.split(/:(.*)/s);
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "query" && value !== "") query.append(name, value);
    else if (place === "header" && value !== "") headers[name] = value;
  }
  if (token.value) headers["Authorization"] = `Bearer ${token.value.trim()}`;
  const options = { method: form.dataset.method, headers };
  const body = data.get("body:");
  if (body) {
    headers["Content-Type"] = "application/json";
    options.body = body;
  }
  return fetch(path + (query.size ? `?${query}` : ""), options);
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function show(answer, output) {
  const head = `${answer.status}\nX-Request-Id: ${answer.headers.get("X-Request-Id")}`;
  const left = answer.headers.get("X-RateLimit-Remaining");
  output.textContent = `${head}\nX-RateLimit-Remaining: ${left}\n\n`;
  if (!(answer.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
    output.textContent += readable(await answer.text());
    return;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) output.textContent += chunk.value;
}

for (const form of document.querySelectorAll("form.try")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    output.hidden = false;
    output.textContent = "...";
    try {
      await show(await request(form), output);
    } catch (failure) {
      output.textContent = String(failure);
    }
  });
}
