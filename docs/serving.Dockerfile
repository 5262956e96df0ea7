# The service, without torch and Jupyter: git archive HEAD | docker build -t textclf -f docs/serving.Dockerfile -
FROM python:3.11-slim
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir --constraint requirements.lock ".[serve]"
WORKDIR /
USER nobody
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz')"
CMD ["textclf", "serve", "--model", "/model", "--host", "0.0.0.0"]
