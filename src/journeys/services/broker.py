"""A private Kafka broker: the real one, a single KRaft node, its jars resolved by Maven and run by Java 17."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journeys.services.processes import ServiceUnavailable, free_port, run, spawn, stop, wait_until

GIVEN = "JOURNEYS_TEST_KAFKA"
"""`host:port` of a broker to use instead of starting one."""

KAFKA_VERSION = "4.3.0"
"""The broker we test against; clients before 2.1 cannot talk to it."""

LIBS = Path(".services/kafka/libs")
"""Where the jars are kept between runs, under the folder we run in."""

_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>journeys</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency><!-- without a binding the broker would not say why it does not start -->
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.8.1</version>
  </plugin></plugins></build>
</project>
"""

# A node of its own on loopback. Small internal topics and no wait for more group members make tests quick;
# the short session timeout lets a test see a takeover without waiting for Kafka's usual six seconds.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://127.0.0.1:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
num.partitions=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""

_CLUSTER = "journeysPrivateBrokerA"  # any 16 bytes in base64; a private cluster meets no other
_JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
_STARTED = "Kafka Server started"
"""What the broker logs once it takes requests; its port is open a little earlier."""

_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)


@contextmanager
def kafka_broker(libs: Path = LIBS, port: int | None = None) -> Iterator[str]:
    """`host:port` of a broker: the one JOURNEYS_TEST_KAFKA names, else a private one with nothing in it.

    Raises ServiceUnavailable where there is no Java 17 or the jars cannot be had.
    """
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    java = _java()
    jars = broker_jars(libs)
    home = Path(tempfile.mkdtemp(prefix="journeys-kafka-"))
    try:
        with _running([java, *_JVM, *_LOGGING, "-cp", f"{jars}/*"], home, port or free_port()) as bootstrap:
            yield bootstrap
    finally:
        shutil.rmtree(home, ignore_errors=True)


def broker_jars(libs: Path = LIBS) -> Path:
    """The folder with the broker's jars, resolved by Maven the first time. Raises ServiceUnavailable."""
    libs = libs.absolute()
    if (libs / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceUnavailable(
            "no Maven here to fetch Kafka's jars: install maven, or set JOURNEYS_TEST_KAFKA"
        )
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent) as work:
        _resolve(maven, Path(work))
        _put(Path(work) / "libs", libs)
    return libs


def _resolve(maven: str, work: Path) -> None:
    (work / "pom.xml").write_text(_POM)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={work}/libs", "-DincludeScope=runtime"]
    ran = run([maven, "-q", "-B", *goal], work)
    if ran.returncode:
        raise ServiceUnavailable(f"Maven could not fetch Kafka {KAFKA_VERSION}:\n{ran.stdout}{ran.stderr}")


def _put(made: Path, libs: Path) -> None:
    """Move the finished folder into place. Another process may have been quicker: its jars are as good."""
    if libs.exists() and not (libs / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
        shutil.rmtree(libs)
    try:
        made.rename(libs)
    except OSError:
        if not (libs / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
            raise


def _java() -> str:
    """The Java to run the broker with. Raises ServiceUnavailable for none or one older than 17."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise ServiceUnavailable("no Java here: install a Java 17 runtime, or set JOURNEYS_TEST_KAFKA")
    said = run([java, "-version"]).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        raise ServiceUnavailable(
            f"Kafka {KAFKA_VERSION} needs Java 17 or newer, and {java} is {said.strip()!r}"
        )
    return java


@contextmanager
def _running(jvm: list[str], home: Path, port: int) -> Iterator[str]:
    properties = home / "server.properties"
    properties.write_text(_PROPERTIES.format(port=port, controller=free_port(), logs=home / "data"))
    _format(jvm, properties)
    log = home / "log"
    process = spawn([*jvm, "kafka.Kafka", properties], home)
    try:
        wait_until(
            lambda: _STARTED in log.read_text(errors="replace"), process, f"Kafka {KAFKA_VERSION}", log, 90
        )
        yield f"127.0.0.1:{port}"
    finally:
        stop(process)


def _format(jvm: list[str], properties: Path) -> None:
    """Write the cluster's identity into its empty log folder, as KRaft wants before the first start."""
    ran = run([*jvm, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", properties])
    if ran.returncode:
        raise ServiceUnavailable(f"Kafka's storage could not be formatted:\n{ran.stdout}{ran.stderr}")
