// swift-tools-version: 6.2
// The targets are listed in the order in which a request passes through them. Dependencies point one way: HTTP,
// Multipart and UploadModel know nothing of the other modules, the store knows the model, and the service knows all of
// these.

import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// Packed relocations (DT_RELR, glibc 2.36): the loader reads 8 KiB of them at each start where it read 1 MiB.
let compact: [LinkerSetting] = [
    .unsafeFlags(["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"])
]

let package = Package(
    name: "resumabled",
    products: [
        .executable(name: "resumabled", targets: ["resumabled"])
    ],
    dependencies: [
        // Parses the command line, and generates help texts and completion scripts.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        // The logging interface. The program chooses how the messages are written.
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        // libfcgi: the FastCGI protocol.
        .systemLibrary(name: "CFastCGI", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
        // xxHash: checksums of chunks and journal records, at the speed of memory.
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        // OpenSSL's libcrypto: SHA-256, which turns identifiers into file names, and checks the digests of chunks.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // libmagic: detects a file's type by its first bytes.
        .systemLibrary(name: "CMagic", pkgConfig: "libmagic", providers: [.apt(["libmagic-dev"])]),
        // libcurl: sends events to a webhook, and talks to object stores.
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        // expat: reads the answers of object stores, which are XML. FoundationXML would bring all of Foundation.
        .systemLibrary(name: "CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),
        // cjose, with jansson for JSON: upload tokens (JWT, JWS, JWK). It adds no build time and 20 KB to the binary.
        // jwt-kit was measured at 100 s and 7 MB, and its calls are async.
        .systemLibrary(name: "CJOSE", pkgConfig: "cjose", providers: [.apt(["libcjose-dev", "libjansson-dev"])]),
        // The Linux calls that Swift's Glibc module lacks, because they need _GNU_SOURCE.
        .target(name: "CLinux"),
        // The processor's instructions for CRC-32C, which Swift cannot name.
        .target(name: "CCRC32C"),
        // Descriptors, locks, threads and the texts of errors, for all modules that call Linux.
        .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: strict),

        // Writes JSON, and reads it with jansson.
        .target(name: "JSON", dependencies: ["CJOSE"], swiftSettings: strict),

        // Counters, and their text format for Prometheus.
        .target(name: "Metrics", swiftSettings: strict),

        .target(name: "FastCGI", dependencies: ["CFastCGI", "CLinux", "HTTP", "Linux"], swiftSettings: strict),
        .target(name: "HTTP", swiftSettings: strict),
        .target(name: "Multipart", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "UploadModel", swiftSettings: strict),
        .target(
            name: "Tokens", dependencies: ["CCrypto", "CJOSE", "JSON", "Linux", "UploadModel"], swiftSettings: strict),
        // Object stores that speak S3: credentials, signatures, calls, and what an engine has to be able to do.
        .target(
            name: "S3", dependencies: ["CCRC32C", "CCrypto", "CCurl", "CExpat", "JSON", "Linux"],
            swiftSettings: strict),
        .target(
            name: "UploadStore",
            dependencies: ["CLinux", "CXXHash", "CCrypto", "Linux", "UploadModel"],
            swiftSettings: strict),
        // A store in a bucket that several hosts share.
        .target(
            name: "ObjectStore", dependencies: ["Linux", "S3", "UploadModel", "UploadStore"],
            swiftSettings: strict),
        .target(
            name: "UploadService",
            dependencies: [
                "CCrypto", "CMagic", "HTTP", "JSON", "Linux", "Multipart", "Tokens", "UploadModel", "UploadStore",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Events",
            dependencies: [
                "CCrypto", "CCurl", "CLinux", "JSON", "Linux", "UploadModel", "UploadStore",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "resumabled",
            dependencies: [
                "Events", "FastCGI", "HTTP", "JSON", "Linux", "Metrics", "Multipart", "ObjectStore", "S3", "Tokens",
                "UploadModel", "UploadService", "UploadStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict, linkerSettings: compact),

        // Helpers that several test targets and the fuzzers share.
        .target(
            name: "TestSupport", dependencies: ["CCrypto", "Linux"], path: "Tests/TestSupport", swiftSettings: strict),
        // A disk in memory that can fail, or lose power, at every call, and requests that are sent again.
        .target(
            name: "StoreTestSupport", dependencies: ["Linux", "TestSupport", "UploadStore"],
            path: "Tests/StoreTestSupport", swiftSettings: strict),
        // A second, plain multipart parser to compare with.
        .target(
            name: "MultipartTestSupport", dependencies: ["Multipart", "TestSupport"],
            path: "Tests/MultipartTestSupport", swiftSettings: strict),
        // The promises that every store keeps. A test target runs them over its store.
        .target(
            name: "StoreConformance",
            dependencies: ["Linux", "StoreTestSupport", "TestSupport", "UploadModel", "UploadStore"],
            path: "Tests/StoreConformance", swiftSettings: strict),
        .testTarget(
            name: "StoreConformanceTests",
            dependencies: ["Linux", "StoreConformance", "TestSupport", "UploadModel", "UploadStore"],
            swiftSettings: strict),
        .testTarget(
            name: "ObjectStoreTests",
            dependencies: [
                "Linux", "ObjectStore", "S3", "StoreConformance", "TestSupport", "UploadModel", "UploadStore",
            ], swiftSettings: strict),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "FastCGITests", dependencies: ["FastCGI", "HTTP", "Linux", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: strict),
        .testTarget(
            name: "MultipartTests", dependencies: ["Multipart", "MultipartTestSupport", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "UploadModelTests", dependencies: ["UploadModel", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "S3Tests", dependencies: ["Linux", "S3", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TokensTests", dependencies: ["CCrypto", "TestSupport", "Tokens", "UploadModel"],
            swiftSettings: strict),
        .testTarget(
            name: "UploadStoreTests",
            dependencies: ["Linux", "UploadStore", "UploadModel", "StoreTestSupport", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "EventsTests",
            dependencies: [
                "Events", "Linux", "UploadModel", "UploadStore", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "UploadServiceTests",
            dependencies: [
                "UploadService", "UploadStore", "UploadModel", "HTTP", "Linux", "TestSupport", "Tokens",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
    ]
)

// The fuzzers. The unit tests run their stored inputs. `Tests/fuzz` builds a program of them, because libFuzzer, with which
// it is linked, has its own main().
let fuzzDependencies: [Target.Dependency] = [
    "FastCGI", "HTTP", "Linux", "Multipart", "MultipartTestSupport", "StoreTestSupport", "TestSupport", "Tokens",
    "UploadModel", "UploadService", "UploadStore", .product(name: "Logging", package: "swift-log"),
]
package.targets.append(
    Context.environment["RESUMABLED_FUZZ"] == nil
        ? .testTarget(
            name: "FuzzTests", dependencies: fuzzDependencies, path: "Tests/Fuzz", exclude: ["Corpus", "Dictionaries"],
            swiftSettings: strict)
        : .executableTarget(
            name: "fuzz", dependencies: fuzzDependencies, path: "Tests/Fuzz",
            exclude: ["Corpus", "Dictionaries", "CorpusTests.swift"], swiftSettings: strict))
