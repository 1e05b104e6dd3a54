using System.Globalization;

namespace Beam.ML.Vllm.Engine;

/// <summary>How much memory this process may still take.</summary>
internal static class SystemMemory
{
    /// <summary>On Linux what the kernel calls available, within the control group's limit; elsewhere the runtime's own estimate.</summary>
    public static long AvailableBytes()
    {
        var info = GC.GetGCMemoryInfo();
        var estimate = Math.Max(info.TotalAvailableMemoryBytes - Math.Max(info.MemoryLoadBytes, Environment.WorkingSet), 0);
        if (!OperatingSystem.IsLinux()) return estimate;
        var available = Linux("/proc/meminfo", "MemAvailable:") * 1024 ?? estimate;
        if (Number("/sys/fs/cgroup/memory.max") is { } limit && Number("/sys/fs/cgroup/memory.current") is { } used)
            available = Math.Min(available, Math.Max(limit - used, 0));
        return available;
    }

    private static long? Linux(string path, string key)
    {
        if (!File.Exists(path)) return null;
        var line = File.ReadLines(path).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        return line?[key.Length..].Trim().Split(' ') is [var number, ..] && long.TryParse(number, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    private static long? Number(string path) =>
        File.Exists(path) && long.TryParse(File.ReadAllText(path).Trim(), CultureInfo.InvariantCulture, out var value) ? value : null;
}
