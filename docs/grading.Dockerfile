# The course, to grade in: git archive HEAD | docker build -t textclf-grading -f docs/grading.Dockerfile -
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /course
COPY . .
RUN pip install --no-cache-dir --constraint requirements.lock ".[grade]"
RUN useradd --create-home grader
USER grader
